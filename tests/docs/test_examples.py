"""Every example in the documentation runs: Python blocks as they are, commands as the program takes them."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_sam2.cli import app
from tests.docs.conftest import DOCS
from tests.docs.example import MAKERS, SESSIONS, make_movie, make_session, put_files

BLOCK = re.compile(r"^( *)```(python|sh)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
#: Commands of other programs; they are read for what they name, not run.
OTHERS = {"pip", "python", "source", "mamba", "conda", "napari", "make", "git", "cd", "xvfb-run"}
#: What makes a long command short, without changing what it is given in the example.
SHORTER = {"demo": ["--frames", "3", "--size", "128"]}


@dataclass(frozen=True)
class Page:
    """A page with its blocks of code: (line, language, code)."""

    path: Path
    blocks: tuple[tuple[int, str, str], ...]


def pages() -> Iterator[Page]:
    """Pages that have examples."""
    for path in (DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))):
        text = path.read_text(encoding="utf-8")
        found = []
        for match in BLOCK.finditer(text):
            indent = len(match[1])
            code = "\n".join(line[indent:] for line in match[3].splitlines())
            found.append((text[: match.start()].count("\n") + 2, match[2], code))
        if found:
            yield Page(path, tuple(found))


PAGES = list(pages())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    """A folder with the files of the examples, made once, and the movie."""
    folder = tmp_path_factory.mktemp("examples")
    movie = make_movie()
    put_files(folder, movie)
    return folder, movie


def test_there_are_examples() -> None:
    assert {page.path.name for page in PAGES} >= {"README.md", "tutorial.md", "headless.md", "formats.md", "python.md"}
    assert sum(len(page.blocks) for page in PAGES) > 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::napari_sam2.export.LossWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.relative_to(DOCS.parent).as_posix())
def test_examples_of(page: Page, prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    folder, movie = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    needed = wanted(page)
    scope: dict[str, object] = {name: make(tmp_path, movie) for name, make in MAKERS.items() if name in needed}
    for name in SESSIONS:
        if name in str(page.blocks) and not (tmp_path / name).exists():  # the examples open it themselves
            make_session(tmp_path, movie, name).close()
    try:
        for line, language, code in page.blocks:
            if language == "python":
                # the line numbers of a traceback are those of the page
                exec(compile("\n" * (line - 1) + code, str(page.path), "exec"), scope)
            else:
                run_commands(code, f"{page.path.name}, line {line}")
    finally:
        for value in list(scope.values()):
            with suppress(Exception):
                value.close()


def wanted(page: Page) -> set[str]:
    """Names that the Python blocks of a page read before they give them a value."""
    code = "\n".join(code for _, language, code in page.blocks if language == "python")
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
    known: set[str] = set()
    needed: set[str] = set()
    for node in sorted(found, key=lambda n: (n.lineno, n.col_offset)):
        if isinstance(node.ctx, ast.Store):
            known.add(node.id)
        elif node.id not in known:
            needed.add(node.id)
    return needed & set(MAKERS)


def run_commands(code: str, where: str) -> None:
    """Run the lines that call this program; look through those that call others."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] != "napari-sam2":
            assert words[0] in OTHERS or "=" in words[0], f"{where}: {words[0]} is no known program"
            if words[0] == "make":
                targets = re.findall(r"^(\w[\w-]*):", (DOCS.parent / "Makefile").read_text(), re.MULTILINE)
                assert set(words[1:]) <= set(targets), f"{where}: no such target in the Makefile"
            continue
        done = CliRunner().invoke(app, [*words[1:], *SHORTER.get(words[1], [])])
        assert done.exit_code == 0, f"{where}: {line}\n{done.output}\n{done.stderr}"
