"""Doing actions of the session, undoing them, and what goes with that. Part of `Desk`; no Qt in here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from napari_sam2.session import Refused
from napari_sam2.widgets import notify
from napari_sam2.widgets.run_state import Request

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.sheet import Sheet

NOTHING_OPEN = "Nothing is open: choose an image and press Start in the SAM 2 Cell Tracker."


class Acting:
    """The part of a desk that changes the session."""

    @property
    def _me(self) -> Desk:
        return cast("Desk", self)

    def act(self, verb: str, *args: Any, **options: Any) -> Any:
        """Do an action of the session; a run is interrupted for it and goes on with what is needed afterwards.

        Parameters
        ----------
        verb
            Name of a method of `Session`.
        args, options
            For it. ``track=True`` of `divide` and `accept` becomes a run of its own.

        Returns
        -------
        object
            What the method returns; None where it was refused. Then the user was told why.
        """
        sheet = self._me._active
        if sheet is None:
            notify.warning(NOTHING_OPEN)
            return None
        if sheet.runs.occupied:
            notify.info(f"{sheet.runs.occupied} Wait a moment.")
            return None
        follow = options.pop("track", verb == "accept") if verb in ("divide", "accept") else False
        if verb in ("divide", "accept"):
            options["track"] = False
        with self._acting(sheet):
            value = self._try(sheet, verb, args, options)
        if follow and value:
            self._follow(sheet, tuple(value))
        return value

    def _try(self, sheet: Sheet, verb: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
        action = getattr(sheet.session, verb)
        try:
            return action(*args, **options)
        except Refused as problem:
            if problem.can_force and self._me.confirm(f"{problem.reason}.\n\nDo it all the same?"):
                return self._try(sheet, verb, args, {**options, "force": True})
            notify.show(problem)
        except Exception as problem:  # noqa: BLE001 -- everything is told in words, and nothing was changed
            notify.show(problem, verb.replace("_", " "))
        return None

    @contextmanager
    def _acting(self, sheet: Sheet) -> Iterator[None]:
        if self._me._depth == 0:
            sheet.runs.before_action()
        self._me._depth += 1
        try:
            yield
        finally:
            self._me._depth -= 1
            if self._me._depth == 0:
                sheet.runs.after_action()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have all actions inside the block be one step of the history."""
        if self._me._active is None:
            yield
            return
        with self._acting(self._me._active), self._me._active.session.step():
            yield

    def _follow(self, sheet: Sheet, cells: tuple[int, ...]) -> None:
        """Track what an action has left to track, as part of its step; a run under way takes it along."""
        if not sheet.runs.state.busy:
            prompted = tuple(c for c in cells if sheet.session.prompts(c))
            if prompted:
                sheet.runs.track(Request(cells=prompted, join=True))

    def undo(self) -> None:
        """Take back the last step: prompts and labels together. A run ends first, and is what is taken back."""
        self._turn("undo")

    def redo(self) -> None:
        """Do again what was undone."""
        self._turn("redo")

    def _turn(self, way: str) -> None:
        sheet = self._me._active
        if sheet is None or sheet.runs.occupied:
            return
        sheet.binding.take_painted()
        sheet.runs.cancel()
        with self._acting(sheet):
            try:
                getattr(sheet.session, way)()
            except Refused as problem:
                notify.info(f"{problem.reason[0].upper()}{problem.reason[1:]}.")
            except Exception as problem:  # noqa: BLE001 -- told in words
                notify.show(problem, way)
