"""``napari-sam2 samples``: the list, and terms that are asked before anything is fetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_sam2.cli import app
from napari_sam2.samples import REAL, SYNTHETIC


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["samples", *words])
    return result.exit_code, result.output


@pytest.mark.usefixtures("cache")
def test_the_list_names_them_all() -> None:
    code, text = run()
    assert code == 0
    for name in (*SYNTHETIC, *REAL):
        assert name in text
    assert text.count("not downloaded") == len(REAL)


def test_without_an_answer_nothing_is_fetched(cache: Path) -> None:
    code, text = run("download", "u373")
    assert code == 1
    assert REAL["u373"].terms_address in text and "--yes" in text and "not agreed" in text
    assert not list(cache.rglob("*"))


def test_yes_fetches_or_says_why_not(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_sam2.weights import RetryPolicy

    nowhere = replace(REAL["u373"], address="http://127.0.0.1:9")
    monkeypatch.setitem(REAL, "u373", nowhere)
    monkeypatch.setattr("napari_sam2.weights.download.RetryPolicy", lambda: RetryPolicy(attempts=1))
    code, text = run("download", "u373", "--yes")
    assert code == 1
    for words in ("by hand", nowhere.sha256, str(cache)):
        assert words in text


@pytest.mark.usefixtures("cache")
def test_unknown_names() -> None:
    code, text = run("download", "u374")
    assert code == 1 and "u373" in text
