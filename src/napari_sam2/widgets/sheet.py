"""`Sheet`: one open movie on a desk. No Qt in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2.session.unused import is_unused

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.session import Session
    from napari_sam2.widgets.bound import Binding
    from napari_sam2.widgets.needs import Counting
    from napari_sam2.widgets.runs import Runs


class Sheet:
    """One movie on the desk: its image layer, its session, its layers and its jobs."""

    def __init__(self, binding: Binding, runs: Runs, counting: Counting, note: str = "", begun: bool = False) -> None:
        self.binding, self.runs, self.counting, self.note, self.begun = binding, runs, counting, note, begun
        self.current: int | None = None

    @property
    def session(self) -> Session:
        """The session."""
        return self.binding.session

    @property
    def kept(self) -> bool:
        """Whether the session's folder stays when it is closed: one that the desk has begun goes if it has no cell."""
        return not (self.begun and is_unused(self.session))

    @property
    def image(self) -> Image | None:
        """The image layer."""
        return self.binding.layers.image
