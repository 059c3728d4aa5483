"""Which movie to begin with, without anyone having pressed a button; and what to ask where that is not clear. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2.widgets.image import Axes, Unsuitable, axes_of

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.widgets.desk import Desk


@dataclass(frozen=True)
class Found:
    """What there is to begin with.

    Parameters
    ----------
    image
        The movie that is meant, or most likely meant; None without any.
    question
        What the user has to decide before; empty where nothing is open.
    """

    image: Image | None = None
    question: str = ""


def find_movie(images: Sequence[Image], selected: Any = None) -> Found:
    """Find the movie that is meant: the only one, or the one that is selected.

    Only shapes and names of axes are looked at, no pixel.

    Parameters
    ----------
    images
        The image layers of the viewer.
    selected
        The layer that is selected in it, of whatever kind.
    """
    fitting: list[tuple[Image, Axes]] = []
    refused = ""
    for image in images:
        try:
            fitting.append((image, axes_of(image)))
        except Unsuitable as problem:
            refused = refused or str(problem)
    if not fitting:
        return Found(images[-1] if images else None, refused)
    chosen = next((pair for pair in fitting if pair[0] is selected), fitting[-1])
    image, axes = chosen
    if len(fitting) > 1 and image is not selected:
        return Found(image, "Several movies are open: choose one, and press Start.")
    alike = [one for one, other in fitting if one is not image and _channels(one, other) == _channels(image, axes)]
    if alike and not image.rgb:
        return Found(
            image,
            f"'{image.name}' and '{alike[0].name}' are of one size: are they channels of one movie? Tick those that "
            "the model should see as well, and press Start.",
        )
    if axes.note:
        return Found(image, f"{axes.note} Press Start if that is right.")
    return Found(image)


def ready(desk: Desk) -> bool:
    """Whether nothing is open, nor being opened."""
    return desk.session is None and not desk.opening and not desk.closed


def _channels(image: Image, axes: Axes) -> tuple[str, tuple[int, ...]] | None:
    """What layers have in common that could be channels of one movie; None for those that have channels themselves."""
    return None if image.rgb or "C" in axes.letters else (axes.letters, axes.shape)
