"""The files and names that the documentation's examples speak of: a small movie, clicks, a segmentation, a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from napari_sam2 import CellTracker, new_session
from napari_sam2.session import Session
from napari_sam2.training.synthetic import SyntheticMovie, make_preset

FRAMES, SIDE = 8, 144
CLICKED = (120, 84)
"""Where the examples click on frame 0; a cell is moved there."""
SESSIONS = ("cells.sam2cells", "Dividing nuclei (synthetic)-12c9276d.sam2cells")
"""Sessions that examples open; the second is called as that of the sample movie is."""
PROMPTS = """cell,frame,kind,y,x,y2,x2
1,0,click,120,84.5,,
1,0,not,20,20,,
2,0,box,{y},{x},{y2},{x2}
1,6,click,{late_y},{late_x},,
"""


def make_movie() -> SyntheticMovie:
    """Nuclei, one of them where the examples click; dtype and truth as the preset has them."""
    movie = make_preset("nuclei", frames=FRAMES, size=(SIDE, SIDE))
    y, x = centre(movie.labels, present(movie.labels[0])[0], 0)
    shift = (0, CLICKED[0] - y, CLICKED[1] - x)
    movie.frames[:] = np.roll(movie.frames, shift, (0, 1, 2))
    movie.labels[:] = np.roll(movie.labels, shift, (0, 1, 2))
    return movie


def present(labels: Any) -> list[int]:
    """Cells on a frame, the largest first."""
    cells, areas = np.unique(labels[labels > 0], return_counts=True)
    return [int(cell) for cell in cells[np.argsort(-areas)]]


def centre(labels: Any, cell: int, frame: int) -> tuple[int, int]:
    """The pixel (y, x) of a cell that is nearest to its middle."""
    found = np.argwhere(labels[frame] == cell)
    nearest = found[np.abs(found - found.mean(0)).sum(1).argmin()]
    return int(nearest[0]), int(nearest[1])


def put_files(folder: Path, movie: SyntheticMovie) -> None:
    """Write the files that examples open."""
    tifffile.imwrite(
        folder / "movie.tif", movie.frames, imagej=True, photometric="minisblack", metadata={"axes": "TYX"}
    )
    image = zarr.open_group(folder / "movie.ome.zarr", mode="w-")
    image.create_array("0", data=movie.frames)
    axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]}]
    image.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    masks = movie.labels.astype(np.uint16)
    tifffile.imwrite(folder / "cellpose_masks.tif", masks, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "masks.tif", masks, imagej=True, metadata={"axes": "TYX"})
    inside = np.argwhere(movie.labels[0] == second(movie))
    (y, x), (y2, x2) = inside.min(0), inside.max(0)
    late_y, late_x = centre(movie.labels, present(movie.labels[6])[0], 6)
    told = PROMPTS.format(y=y, x=x, y2=y2, x2=x2, late_y=late_y, late_x=late_x)
    (folder / "prompts.csv").write_text(told)
    place = f'POSITION_X="{CLICKED[1]}" POSITION_Y="{CLICKED[0]}" POSITION_Z="0" FRAME="0"'
    spots = f'<SpotsInFrame frame="0"><Spot ID="1" name="1" {place} RADIUS="9"/></SpotsInFrame>'
    model = f'<Model spatialunits="pixel" timeunits="frame"><AllSpots nspots="1">{spots}</AllSpots></Model>'
    (folder / "spots.xml").write_text(f'<TrackMate version="7.11.1">{model}</TrackMate>')
    (folder / "spots.csv").write_text(f"track_id,t,y,x\n1,0,{CLICKED[0]},{CLICKED[1]}\n1,1,{CLICKED[0]},{CLICKED[1]}\n")


def second(movie: SyntheticMovie) -> int:
    """A cell on frame 0 other than the one that is clicked."""
    return next(c for c in present(movie.labels[0]) if c != movie.labels[0][CLICKED])


def make_tracker(folder: Path, movie: SyntheticMovie) -> CellTracker:
    """A tracker that has tracked a few frames."""
    tracker = CellTracker(movie.frames)
    tracker.add_click(cell=1, frame=0, yx=CLICKED)
    for _ in tracker.track(frames=(0, 3)):
        pass
    return tracker


def make_session(folder: Path, movie: SyntheticMovie, name: str = SESSIONS[0]) -> Session:
    """A session with two cells, tracked for a few frames."""
    session = new_session(movie.frames, folder / name, address=folder / "movie.tif")
    session.add_click(1, 0, CLICKED)
    session.add_click(7, 0, centre(movie.labels, second(movie), 0))
    session.run(frames=(0, 3))
    return session


#: Names that examples use without making them.
MAKERS: dict[str, Callable[[Path, SyntheticMovie], Any]] = {
    "movie": lambda folder, movie: movie.frames,
    "mask": lambda folder, movie: movie.labels[4] == present(movie.labels[4])[0],
    "tracker": make_tracker,
    "session": make_session,
}
