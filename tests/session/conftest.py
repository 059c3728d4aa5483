"""Lets the tests of a session import what they share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stub import make  # noqa: E402

from napari_sam2.session import Session  # noqa: E402


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """An empty session on a movie of twelve small frames, tracked by formula."""
    with make(tmp_path / "movie.sam2cells") as made:
        yield made


@pytest.fixture
def tracked(session: Session) -> Session:
    """Three cells, clicked on frame 0 (two of them) and on frame 6, and tracked."""
    for frame, yx in ((0, (10, 12)), (0, (28, 12)), (6, (18, 30))):
        session.add_click(None, frame, yx)
    session.run()
    return session
