# ruff: noqa: F811 - fixtures are named like what is imported
"""Public movies: the terms are asked first, the file is checked, and a missing network is said plainly."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.samples import REAL, RealMovie, download_sample, find_real, read_real
from napari_sam2.samples.real import TermsNotAccepted
from napari_sam2.weights import DownloadCancelled, DownloadError, RetryPolicy
from tests.weights.conftest import Server, server  # noqa: F401 - a fixture

HASTY = RetryPolicy(attempts=2, first_delay=0.01, longest_delay=0.02, connect_timeout=2, read_timeout=2)
FRAMES = np.random.default_rng(3).integers(0, 255, (12, 8, 10)).astype(np.uint8)


def yes(_: RealMovie) -> bool:
    return True


def archive(dataset: str = "Tiny") -> bytes:
    """Two sequences and their truth, the frames not in order, as a data set of the challenge has them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for t in reversed(range(len(FRAMES))):
            for name, frame in ((f"01/t{t:03}.tif", FRAMES[t]), (f"02/t{t:03}.tif", 255 - FRAMES[t])):
                content = io.BytesIO()
                tifffile.imwrite(content, frame)
                file.writestr(f"{dataset}/{name}", content.getvalue())
            file.writestr(f"{dataset}/01_GT/TRA/man_track{t:03}.tif", b"not an image of the sequence")
    return buffer.getvalue()


@pytest.fixture
def tiny(server: Server) -> RealMovie:
    """A small data set on a server of this machine."""
    server.body = archive()
    return replace(
        REAL["u373"],
        dataset="Tiny",
        address=server.address,
        bytes=len(server.body),
        sha256=hashlib.sha256(server.body).hexdigest(),
    )


def test_the_catalogue_says_what_somebody_has_to_know() -> None:
    assert len(REAL) >= 2
    for name, movie in REAL.items():
        assert movie.name == name
        assert re.fullmatch(r"[0-9a-f]{64}", movie.sha256) and movie.bytes > 1e6
        question = movie.question()
        for words in (movie.url, movie.terms, movie.terms_address, movie.provider, f"{movie.bytes / 1e6:.0f} MB"):
            assert words in question
    assert len({movie.sha256 for movie in REAL.values()}) == len(REAL)


def test_fetched_checked_and_read(tiny: RealMovie, tmp_path: Path) -> None:
    assert not tiny.is_here(tmp_path)
    path = download_sample(tiny, yes, folder=tmp_path, policy=HASTY)
    assert path == tiny.path(tmp_path) and tiny.is_here(tmp_path)
    ((data, attributes, kind),) = read_real(tiny, path)
    assert kind == "image"
    np.testing.assert_array_equal(data, FRAMES)
    assert attributes["scale"] == (tiny.minutes, tiny.micrometers, tiny.micrometers)
    assert tiny.terms in attributes["metadata"]["napari-sam2"]["terms"]
    np.testing.assert_array_equal(read_real(tiny, path, sequence="02")[0][0], 255 - FRAMES)


def test_nothing_is_fetched_before_somebody_agrees(
    tiny: RealMovie,
    server: Server,
    tmp_path: Path,
) -> None:
    asked: list[RealMovie] = []

    def no(movie: RealMovie) -> bool:
        asked.append(movie)
        return False

    with pytest.raises(TermsNotAccepted, match="not downloaded"):
        download_sample(tiny, no, folder=tmp_path, policy=HASTY)
    assert asked == [tiny]
    assert server.requests == []
    assert not list(tmp_path.rglob("*"))


def test_what_is_here_is_neither_asked_for_nor_fetched_again(
    tiny: RealMovie,
    server: Server,
    tmp_path: Path,
) -> None:
    download_sample(tiny, yes, folder=tmp_path, policy=HASTY)
    before = len(server.requests)

    def never(_: RealMovie) -> bool:
        raise AssertionError("asked again")

    download_sample(tiny, never, folder=tmp_path, policy=HASTY)
    assert len(server.requests) == before


def test_another_file_is_not_kept(tiny: RealMovie, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="sha256"):
        download_sample(replace(tiny, sha256="0" * 64), yes, folder=tmp_path, policy=HASTY)
    assert not tiny.is_here(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_no_network_is_said_with_a_mend(tmp_path: Path) -> None:
    offline = replace(REAL["u373"], address="http://127.0.0.1:9")  # discard: nobody listens
    with pytest.raises(DownloadError) as caught:
        download_sample(offline, yes, folder=tmp_path, policy=HASTY)
    text = str(caught.value)
    assert "refused" in text
    for words in (offline.url, offline.sha256, str(offline.path(tmp_path)), "by hand"):
        assert words in text
    assert "checkpoint" not in text


def test_a_cancel_ends_the_download(tiny: RealMovie, tmp_path: Path) -> None:
    with pytest.raises(DownloadCancelled):
        download_sample(tiny, yes, lambda report: report.stage != "downloading", folder=tmp_path, policy=HASTY)
    assert not tiny.is_here(tmp_path)


def test_another_archive_is_refused(tiny: RealMovie, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(archive("Another"))
    with pytest.raises(ValueError, match="holds no Tiny/01"):
        read_real(tiny, tmp_path / "a.zip")
    (tmp_path / "b.zip").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="delete it and try again"):
        read_real(tiny, tmp_path / "b.zip")


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="u373"):
        find_real("u374")
