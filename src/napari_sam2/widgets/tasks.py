"""Longer things done once: taking layers over, estimating a run. Part of `Desk`; no Qt in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from napari_sam2.session.run import find_work
from napari_sam2.widgets import notify, taking_over
from napari_sam2.widgets.needs import Needs

if TYPE_CHECKING:
    from napari_sam2.export.as_prompts import Which
    from napari_sam2.session import Session
    from napari_sam2.tracking.estimate import Estimate
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.image import Axes
    from napari_sam2.widgets.run_state import Request


class Tasks:
    """The part of a desk that does such things in the background."""

    @property
    def _me(self) -> Desk:
        return cast("Desk", self)

    @property
    def needs(self) -> Needs:
        """How much there is to track in the active session, as last counted."""
        sheet = self._me._active
        return Needs() if sheet is None else sheet.counting.needs

    def foreign_layers(self) -> list[Any]:
        """Layers of other programs that prompts could be taken over from."""
        from napari.layers import Labels, Points, Shapes

        me = self._me
        own = [layer for sheet in me._sheets for layer in sheet.binding.mine()]
        return [x for x in me.viewer.layers if isinstance(x, Labels | Points | Shapes) and x not in own]

    def take_over(
        self,
        layer: Any,
        *,
        prompts: Which = "first",
        link: bool = False,
        then: Callable[[int], object] = lambda count: None,
    ) -> None:
        """Take cells over from someone else's labels, points or shapes, as one step; in the background.

        Parameters
        ----------
        layer
            Labels (masks become prompts), Points (clicks) or Shapes (boxes and masks).
        prompts
            Of labels: which masks to track from, the ``"first"`` of each cell or ``"all"``.
        link
            Of labels that were made frame by frame: find out which are the same cell.
        then
            Called with the number of cells at the end.
        """
        from napari.layers import Labels, Points

        me = self._me
        sheet = me._active
        if sheet is None or sheet.image is None:
            notify.warning("Choose the movie and press Start first: then its cells can be taken over.")
            return
        beyond = me.beyond()
        if beyond is not None and _of_one_frame(layer, sheet.binding.axes):
            notify.warning(f"{beyond}: '{layer.name}' is taken over for the frame that is shown.")
            return
        session, image, axes, frame = sheet.session, sheet.image, sheet.binding.axes, me.frame

        def work() -> int:
            with session.step():
                if isinstance(layer, Labels):
                    return len(taking_over.take_labels(session, layer, axes, frame, prompts, link))
                if isinstance(layer, Points):
                    return len(taking_over.take_points(session, layer, image, axes, frame))
                return len(taking_over.take_shapes(session, layer, image, axes, frame))

        def done(count: int | None, problem: BaseException | None) -> None:
            if problem is not None:
                notify.show(problem, f"taking over {layer.name}")
            elif count:
                layer.visible = False
                if me.viewer.layers.selection.active is layer and sheet is me._active:
                    me.use("clicks_on")  # nothing can be done with what is hidden
                notify.info(f"{count} cell{'s' * (count != 1)} taken over from '{layer.name}', which is hidden now.")
                then(count)

        sheet.runs.do_alone(f"Taking over '{layer.name}'…", work, done)

    def estimate(self, request: Request, then: Callable[[Estimate], object]) -> None:
        """Find out what a run would cost in time and memory; in the background.

        Parameters
        ----------
        request
            The run.
        then
            Called with the answer.
        """
        sheet = self._me._active
        if sheet is None:
            return
        session = sheet.session

        def done(found: Estimate | None, problem: BaseException | None) -> None:
            if problem is not None:
                notify.show(problem, "estimating")
            elif found is not None:
                then(found)

        sheet.runs.do_alone("Estimating…", lambda: estimate(session, request), done, holds=False)


def _of_one_frame(layer: Any, axes: Axes) -> bool:
    """Whether a layer says nothing of time, so that it counts for the frame that is shown."""
    from napari.layers import Labels

    if isinstance(layer, Labels):
        return layer.ndim == 2 or (layer.ndim == 3 and int(layer.extent.data[1][0]) == 0)
    return bool(layer.ndim < len(axes.letters))


def estimate(session: Session, request: Request) -> Estimate | None:
    """Estimate a run; None where the tracker cannot tell. What is tracked already is not counted."""
    engine = session.engine
    with session.document.lock:
        session.fill_prompts()
        masks = find_work(session, request.cells, request.frames, request.direction, request.what).frames
    asked = getattr(engine, "estimate", None)
    found: Estimate | None = None if asked is None else asked(request.direction, request.frames, request.cells)
    if found is not None and 0 < masks < found.cell_frames:
        found = replace(found, seconds=found.seconds * masks / found.cell_frames, cell_frames=masks)
    return found
