"""Pictures: an overlay movie (MP4, GIF), a contact sheet of one cell, plots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.draw import Look, Overlay, Picture, caption, draw_scale_bar, paint_cells
from napari_sam2.export.graph import make_graph
from napari_sam2.export.jobs import Job, whole_or_nothing
from napari_sam2.export.plots import draw_plots, measure_curves
from napari_sam2.export.tracked import Tracked

FRAMES_PER_SECOND = 8.0
SHEET_PANELS = 24
"""Most panels of a contact sheet."""
SHEET_COLUMNS = 6
PANEL_SIDE = 160
"""Pixels; what a panel of the sheet is brought near, by a whole factor."""
MARGIN = 1.4
"""Side of a panel over the side of the cell's largest bounding box."""
_GAP = 4
_GREY = 24


def export_mp4(
    tracked: Tracked,
    path: Path,
    job: Job,
    *,
    overwrite: bool = False,
    fps: float = FRAMES_PER_SECOND,
    look: Look | None = None,
) -> None:
    """Overlay movie in H.264.

    Raises
    ------
    ImportError
        If imageio-ffmpeg is not installed.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError(
            "MP4 movies need imageio-ffmpeg: pip install imageio-ffmpeg, or save as GIF (NAME.gif), which needs nothing"
        ) from error
    job.expect(tracked.shape[0])
    overlay = Overlay(tracked, look)
    height, width = (side + side % 2 for side in overlay.shape)  # H.264 takes even sides only
    with whole_or_nothing(path, overwrite) as temporary:
        sink = imageio_ffmpeg.write_frames(
            str(temporary),
            (width, height),
            fps=fps,
            codec="libx264",
            quality=8,
            macro_block_size=2,
            ffmpeg_log_level="error",
        )
        sink.send(None)
        try:
            for t in job.frames(tracked.shape[0]):
                picture = overlay.frame(t)
                padding = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
                sink.send(np.ascontiguousarray(np.pad(picture, padding)))
        finally:
            sink.close()


def export_gif(
    tracked: Tracked,
    path: Path,
    job: Job,
    *,
    overwrite: bool = False,
    fps: float = FRAMES_PER_SECOND,
    look: Look | None = None,
) -> None:
    """Overlay movie as GIF that repeats."""
    from PIL import Image

    job.expect(tracked.shape[0])
    overlay = Overlay(tracked, look or Look(side=512))

    def pictures() -> Iterator[Any]:
        for t in job.frames(tracked.shape[0]):
            yield Image.fromarray(overlay.frame(t)).quantize(256)

    with whole_or_nothing(path, overwrite) as temporary:
        images = pictures()
        first = next(images)
        first.save(temporary, format="GIF", save_all=True, append_images=images, duration=round(1000 / fps), loop=0)


def export_sheet(
    tracked: Tracked,
    path: Path,
    job: Job,
    *,
    overwrite: bool = False,
    cell: int | None = None,
    panels: int = SHEET_PANELS,
) -> None:
    """Contact sheet: one cell on frames evenly spread over its life, all at one scale, as PNG.

    Raises
    ------
    ValueError
        If the cell is on no frame.
    """
    from PIL import Image

    job.expect(tracked.shape[0] + panels)
    graph = make_graph(tracked, job)
    nodes = graph.nodes_of()
    chosen = min(nodes, default=0) if cell is None else int(cell)
    if chosen not in nodes:
        raise ValueError(f"cell {chosen} is on no frame" if nodes else "there is no cell on any frame")
    own = nodes[chosen]
    shown = own[np.unique(np.linspace(0, len(own) - 1, min(panels, len(own))).round().astype(int))]
    # a cell's largest diameter is not known from its area: twice that of a disc is enough for all but long rods
    side = math.ceil(MARGIN * 4 * math.sqrt(float(graph.area[own].max()) / math.pi)) | 1
    zoom = max(1, round(PANEL_SIDE / side))
    tiles = []
    for i in job.frames(list(range(len(shown)))):
        node = shown[i]
        t = int(graph.frame[node])
        corner = (round(float(graph.y[node])) - side // 2, round(float(graph.x[node])) - side // 2)
        tiles.append(_panel(tracked, t, corner, side, zoom))
    with whole_or_nothing(path, overwrite) as temporary:
        Image.fromarray(_sheet(tiles)).save(temporary, format="PNG")


def _panel(tracked: Tracked, t: int, corner: tuple[int, int], side: int, zoom: int) -> Picture:
    from PIL import Image, ImageDraw

    _, height, width = tracked.shape
    labels = np.zeros((side, side), np.int32)
    image = np.zeros((side, side, 3), np.uint8)
    y0, x0 = max(corner[0], 0), max(corner[1], 0)
    y1, x1 = min(corner[0] + side, height), min(corner[1] + side, width)
    into = np.s_[y0 - corner[0] : y1 - corner[0], x0 - corner[1] : x1 - corner[1]]
    labels[into] = tracked.frame(t)[y0:y1, x0:x1]
    if tracked.movie is not None:
        image[into] = np.round(tracked.movie.frame(t)[y0:y1, x0:x1] * 255).astype(np.uint8)
    large = np.repeat(np.repeat(labels, zoom, 0), zoom, 1)
    painted = paint_cells(np.repeat(np.repeat(image, zoom, 0), zoom, 1), large, thickness=min(2, zoom))
    picture = Image.fromarray(painted)
    draw = ImageDraw.Draw(picture)
    draw.text((4, 3), caption(tracked, t), fill=(255, 255, 255), font_size=12, stroke_width=1, stroke_fill=0)
    draw_scale_bar(draw, painted.shape[:2], tracked, zoom)
    return np.asarray(picture)


def _sheet(tiles: Sequence[Picture]) -> Picture:
    columns = min(SHEET_COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0].shape[:2]
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), _GREY, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = _GAP + i // columns * (height + _GAP), _GAP + i % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def export_plots(
    tracked: Tracked,
    path: Path,
    job: Job,
    *,
    overwrite: bool = False,
    cells: Sequence[int] | None = None,
) -> None:
    """Area, intensity, speed and score of chosen cells over time, as PNG.

    Parameters
    ----------
    cells
        Which ones; the ten with the most frames when None.
    """
    from PIL import Image

    job.expect(tracked.shape[0])
    curves = measure_curves(tracked, job, cells)
    with whole_or_nothing(path, overwrite) as temporary:
        Image.fromarray(draw_plots(curves)).save(temporary, format="PNG")
