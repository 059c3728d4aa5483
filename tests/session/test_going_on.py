"""A run that was interrupted by an edit goes on where it was, and writes what it would have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2.session import Session, new_session
from napari_sam2.training.synthetic import make_movie

pytest.importorskip("torch")
FRAMES = 7


@pytest.fixture(scope="module")
def film() -> Any:
    return make_movie("nuclei", frames=FRAMES, size=(144, 144), cells=5, diameter=30, seed=4)


def begin(film: Any, path: Path) -> Session:
    """Two cells clicked on frame 0, a third to come; the scale is given, so that it is always the same."""
    session = new_session(film.frames, path, cell_diameter=30.0)
    for number, place in enumerate(places(film)[:2], 1):
        session.add_click(number, 0, place)
    return session


def places(film: Any) -> list[tuple[float, float]]:
    sizes = sorted((-int((film.labels[0] == n).sum()), int(n)) for n in np.unique(film.labels[0]) if n)
    found = [np.argwhere(film.labels[0] == n) for _, n in sizes[:3]]
    return [tuple(pixels[len(pixels) // 2].astype(float)) for pixels in found]


def watch(session: Session) -> list[tuple[int, int]]:
    """(frame, number of cells) that the network looks at, from now on."""
    seen: list[tuple[int, int]] = []
    engine = session.engine.tracker._engine  # type: ignore[attr-defined]
    look = engine.from_memory

    def from_memory(geometry: Any, frame: int, step: int, bank: Any, rows: Any, origins: Any) -> Any:
        seen.append((frame, len(rows)))
        return look(geometry, frame, step, bank, rows, origins)

    engine.from_memory = from_memory
    return seen


def test_an_edit_does_not_set_the_other_cells_back(film: Any, tmp_path: Path) -> None:
    with begin(film, tmp_path / "a") as session, begin(film, tmp_path / "b") as whole:
        seen = watch(session)
        assert sum(1 for _ in session.track(stop_after=4)) == 4
        far = max(frame for frame, _ in seen)
        assert 3 <= far <= 4, "a frame may have been computed that was not written"
        session.add_click(3, 0, places(film)[2])
        seen.clear()
        session.run()
        assert {n for frame, n in seen if frame <= far} == {1}, "only the new cell is behind"
        assert {n for frame, n in seen if frame > far} >= {3}
        whole.run()
        whole.add_click(3, 0, places(film)[2])
        whole.run()
        for t in range(FRAMES):
            for cell in (1, 2, 3):
                a, b = (np.asarray(s.labels[t]) == cell for s in (session, whole))
                assert (a & b).sum() >= 0.98 * (a | b).sum(), (t, cell)
        assert not session.stale()


def test_a_corrected_cell_is_tracked_from_its_correction_on_both_sides(film: Any, tmp_path: Path) -> None:
    with begin(film, tmp_path / "a") as session:
        seen = watch(session)
        assert sum(1 for _ in session.track(stop_after=5)) == 5
        y, x = places(film)[0]
        session.add_click(1, 2, (y + 1, x + 1))
        seen.clear()
        session.run()
        both = [frame for frame, n in seen if n == 2]
        assert both and min(both) > 4, "the other cell goes on from where it was"
        assert any(frame < 5 for frame, _ in seen), "the corrected one begins anew"
        assert not session.stale()
