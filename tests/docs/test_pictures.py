"""Pictures of the documentation: all there, all used, small, and the plan of the rooms up to date."""

from __future__ import annotations

import re

from tools import rooms

from tests.docs.conftest import DOCS

PICTURES = DOCS / "pictures"
LARGEST, ALL_TOGETHER = 300_000, 4_000_000


def used() -> set[str]:
    """Names of the pictures that pages show."""
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    return {name for page in pages for name in re.findall(r"pictures/([\w.-]+)", page.read_text(encoding="utf-8"))}


def test_every_picture_is_there_and_used() -> None:
    there = {path.name for path in PICTURES.iterdir() if path.suffix != ".json"}
    assert there == used()
    assert len(there) > 8


def test_they_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert not {name: size for name, size in sizes.items() if size > LARGEST}
    assert sum(sizes.values()) < ALL_TOGETHER


def test_the_plan_shows_the_imports_there_are() -> None:
    assert rooms.PICTURE.read_text(encoding="utf-8") == rooms.draw(), "draw it anew: python docs/tools/rooms.py"


def test_the_plan_knows_every_room() -> None:
    folders = {path.parent.name for path in rooms.PACKAGE.glob("*/__init__.py")}
    assert set(rooms.ROOMS) == folders


def test_arrows_that_follow_from_others_are_left_out() -> None:
    pairs = {("widgets", "session"), ("session", "tracking"), ("widgets", "tracking"), ("tracking", "session")}
    assert rooms.main_uses(pairs) == {("widgets", "session"), ("session", "tracking")}
