"""Opening movies as sessions, and what becomes of them when layers come and go. Part of `Desk`; no Qt in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from napari_sam2.widgets import notify
from napari_sam2.widgets.bound import Binding
from napari_sam2.widgets.current import remember
from napari_sam2.widgets.image import axes_of, movie_of
from napari_sam2.widgets.layer_session import Choice, Opened, close_session, open_or_begin
from napari_sam2.widgets.runner import Job
from napari_sam2.widgets.sheet import Sheet

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2.session import Session
    from napari_sam2.widgets.desk import Desk


class Opening:
    """The part of a desk that opens and closes sessions."""

    @property
    def _me(self) -> Desk:
        return cast("Desk", self)

    def open(self, image: Image, choice: Choice | None = None, **options: Any) -> None:
        """Open an image layer: its session is continued if there is one, and begun otherwise; in the background.

        Parameters
        ----------
        image
            The layer.
        choice
            How; or as keywords, see `Choice`.
        """
        me, chosen = self._me, choice or Choice(**options)
        sheet = me.sheet_of(image)
        if sheet is not None and not chosen.fresh:
            me.activate(image)
            return
        if me.opening:
            notify.info(f"'{me.opening}' is being opened: wait a moment.")
            return
        try:
            axes = axes_of(image)
            movie_of(image, chosen.others)
        except (ValueError, TypeError) as problem:
            notify.show(problem)
            return
        if sheet is not None:
            self._drop(sheet)
        me.opening, me.refused = image.name, ""
        me.opening_changed.emit(me.opening)
        found: list[Opened] = []

        def ended(job: Job) -> None:
            me.opening = ""
            if found and (me.closed or image not in me.viewer.layers):
                close_session(found[0].session, found[0].begun)
            elif found:
                session, note, begun = found[0]
                me.place(image, axes, session, " ".join(n for n in (note, axes.note) if n), begun)
            if job.error is not None:
                said = notify.explain(job.error)
                me.refused = said.text if said is not None else str(job.error)
                notify.show(job.error, f"opening {image.name}")
            me.opening_changed.emit("")

        me.runner.start(lambda job: open_or_begin(image, chosen), found.append, ended)

    def place(self, image: Image, axes: Any, session: Session, note: str = "", begun: bool = False) -> None:
        """Put a session that is open on the desk, with its layers.

        Parameters
        ----------
        image
            The image layer of its movie.
        axes
            Of that layer.
        session
            The session; the desk closes it in the end.
        note
            For the user.
        begun
            Whether the desk has made it, unasked: then it leaves nothing on the disk if nobody makes a cell.
        """
        from napari_sam2.widgets.needs import Counting
        from napari_sam2.widgets.runs import Runs

        me = self._me
        binding = Binding(me, image, axes, session)

        def told(state: Any) -> None:
            if sheet is me._active:
                me.run_changed.emit(state)

        runs = Runs(session, me.runner, told, lambda *args: me._run_finished(sheet, *args))

        def counted(needs: Any) -> None:
            if sheet is me._active:
                me.needs_changed.emit(needs)

        counting = Counting(session, me.runner, counted)
        sheet = Sheet(binding, runs, counting, note, begun)
        me._sheets.append(sheet)
        me.adding = True  # there is no current cell yet that clicks could correct
        image.events.data.connect(self._data_replaced)
        self._activate(sheet)
        binding.show_labels()
        points = binding.show_points()
        me.viewer.layers.selection.active = points
        points.mode = "add"
        if note:
            notify.info(note)

    def sheet_of(self, layer: Any) -> Sheet | None:
        """The sheet that a layer, image or other, belongs to."""
        for sheet in self._me._sheets:
            if sheet.image is layer or layer in sheet.binding.mine() or layer is sheet.binding.layers.tracks:
                return sheet
        return None

    def activate(self, image: Image) -> None:
        """Make the session of an open image the active one."""
        sheet = self.sheet_of(image)
        if sheet is not None and sheet is not self._me._active:
            self._activate(sheet)

    def _activate(self, sheet: Sheet | None) -> None:
        me = self._me
        me._active = sheet
        if sheet is not None:
            remember(me)
        me.session_changed.emit(me.session)
        me.current_changed.emit(me.current)
        me.run_changed.emit(me.run)
        me.needs_changed.emit(me.needs)
        me.dims_moved(force=True)

    def close_session(self, image: Image | None = None) -> None:
        """Close the session of an image, the active one when None; it is saved."""
        sheet = self._me._active if image is None else self.sheet_of(image)
        if sheet is not None:
            self._drop(sheet)

    def _drop(self, sheet: Sheet, remove: bool = True) -> None:
        me = self._me
        sheet.binding.take_painted()
        sheet.counting.close()
        sheet.runs.close()
        me._sheets.remove(sheet)
        if sheet.image is not None:
            sheet.image.events.data.disconnect(self._data_replaced)
        sheet.binding.close(remove)
        try:
            close_session(sheet.session, sheet.begun)
        except Exception as problem:  # noqa: BLE001 -- what was saved before is safe
            notify.show(problem, "closing the session")
        if me._active is sheet:
            self._activate(me._sheets[-1] if me._sheets else None)

    # what becomes of layers ---------------------------------------------------------------------------------------

    def _layer_removed(self, event: Any) -> None:
        me, layer = self._me, event.value
        for sheet in list(me._sheets):
            if sheet.image is layer:
                # other listeners of this event come first: they may still look at the layers
                me.runner.call_soon(self._image_gone, sheet)
            elif sheet.binding.forget(layer):
                me.mode_changed.emit()

    def _image_gone(self, sheet: Sheet) -> None:
        if sheet in self._me._sheets:
            self._drop(sheet)
            if sheet.kept:
                notify.info(f"The image was removed. Its session is saved in {sheet.session.path}.")

    def _data_replaced(self, event: Any) -> None:
        me = self._me
        sheet = self.sheet_of(event.source)
        if sheet is not None:
            me.runner.call_soon(self._replaced, sheet)

    def _replaced(self, sheet: Sheet) -> None:
        me = self._me
        if sheet not in me._sheets:
            return
        name = sheet.image.name if sheet.image is not None else "The image"
        self._drop(sheet)
        saved = f" What was done so far is saved in {sheet.session.path}." if sheet.kept else ""
        notify.warning(f"The data of '{name}' was replaced.{saved} Press Start to begin with the new data.")

    def _layer_chosen(self, event: Any = None) -> None:
        layer = self._me.viewer.layers.selection.active
        sheet = None if layer is None else self.sheet_of(layer)
        if sheet is not None and sheet is not self._me._active:
            self._activate(sheet)
