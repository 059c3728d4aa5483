"""The messages that the page on troubleshooting explains are those of the program."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import napari_sam2
from tests.docs.conftest import DOCS

PAGE = DOCS / "troubleshooting.md"
#: Headings that are no message but what a user sees; they begin with a capital letter.
HEADINGS = re.findall(r"^#### (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
MESSAGES = [heading for heading in HEADINGS if not heading[0].isupper() or heading.startswith("MP4")]


def texts() -> str:
    """All strings of the package, with … for what is put in, a line each."""
    found = []
    for path in Path(napari_sam2.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values))
    return "\n".join(found)


def test_messages_are_in_the_code() -> None:
    code = texts()
    assert len(MESSAGES) > 25
    for message in MESSAGES:
        for part in (part.strip() for part in message.split("…")):
            assert len(part) < 6 or part in code, f"no message of the program says {part!r} (any more): {message}"


def test_each_has_an_explanation() -> None:
    blocks = re.split(r"^#### .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert all(len(block.strip()) > 40 for block in blocks)
