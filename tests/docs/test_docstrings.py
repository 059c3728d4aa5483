"""Examples in docstrings run."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
from pathlib import Path

import pytest

import napari_sam2
from tests.docs.example import make_movie

PACKAGE = Path(napari_sam2.__file__).parent


def modules() -> list[str]:
    """Modules with examples in their docstrings."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docs = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
        if any(doc and ">>> " in doc for doc in docs):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            found.append(".".join(parts).removesuffix(".__init__"))
    return found


def test_there_are_some() -> None:
    assert {"napari_sam2", "napari_sam2.tracking.tracker"} <= set(modules())


@pytest.mark.slow
@pytest.mark.parametrize("name", modules())
def test_examples_in(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    given = {"movie": make_movie().frames[:3], "os": os}
    tests = [test for test in doctest.DocTestFinder().find(module, extraglobs=given) if test.examples]
    skipped = [e.source for test in tests for e in test.examples if doctest.SKIP in e.options]
    assert tests and not skipped, f"examples that are never run: {skipped}"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed = sum(runner.run(test).failed for test in tests)
    assert not failed
