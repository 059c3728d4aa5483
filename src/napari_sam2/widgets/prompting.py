"""Clicks, boxes and the current cell. Part of `Desk`; no Qt in here.

What a click means follows a few rules that are easy to say: on a mask it makes that cell current; elsewhere it begins
a new cell while new cells are being added, and belongs to the current cell otherwise. With Shift it belongs to the
current cell in any case; clicks that say what does not belong always do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from napari_sam2.session.encode import Said
from napari_sam2.widgets import notify
from napari_sam2.widgets.prompt_layers import OFF, ON

if TYPE_CHECKING:
    from napari_sam2.session.events import Changed
    from napari_sam2.widgets.desk import Desk
    from napari_sam2.widgets.prompt_layers import Key
    from napari_sam2.widgets.sheet import Sheet

TOOLS = ("clicks_on", "clicks_off", "boxes", "paint", "erase", "look")
"""What the mouse does in the viewer."""
PREVIEWED = ("add_clicks", "add_box", "move_prompt", "remove_prompt", "merge", "swap", "cut", "divide", "split")
"""Actions after which masks of prompted frames are computed at once."""


class Prompting:
    """The part of a desk that turns what the user does to layers into prompts."""

    @property
    def _me(self) -> Desk:
        return cast("Desk", self)

    # the current cell ---------------------------------------------------------------------------------------------

    def select(self, cell: int | None) -> None:
        """Make a cell the current one: clicks, boxes and paint are about it. One that exists is then corrected."""
        me = self._me
        if me._active is None or cell == me.current:
            return
        if self.is_gone(cell):
            number = self.next_cell()
            notify.info(
                f"There was a cell {cell} once, and numbers are not used again: what you click, draw or paint next "
                f"makes cell {number}."
            )
            return
        me.adding = cell is None or cell not in me._active.session.cells
        self._set_current(me._active, cell)
        me.mode_changed.emit()

    def next_cell(self) -> int:
        """Begin a new cell: the next click, box or stroke makes it; returns its number."""
        me = self._me
        if me._active is None:
            return 0
        number = me._active.session.new_id()
        me.adding = True
        self._set_current(me._active, number)
        me.mode_changed.emit()
        return number

    def is_gone(self, cell: int | None) -> bool:
        """Whether a number was that of a cell that is not there any more."""
        session = self._me.session
        return session is not None and cell in session.document.used and cell not in session.cells

    def set_adding(self, on: bool) -> None:
        """Have each click elsewhere begin a new cell, or belong to the current one."""
        self._me.adding = on
        self._me.mode_changed.emit()

    def _set_current(self, sheet: Sheet, cell: int | None) -> None:
        if cell == sheet.current:
            return
        sheet.current = cell
        sheet.binding.mark_current()
        if sheet is self._me._active:
            self._me.current_changed.emit(cell)

    # tools --------------------------------------------------------------------------------------------------------

    @property
    def tool(self) -> str:
        """What the mouse does now, one of `TOOLS`."""
        me = self._me
        active, layers = me.viewer.layers.selection.active, me.layers
        if layers is None or active is None:
            return "look"
        mode = str(getattr(active, "mode", "pan_zoom"))
        if active is layers.points and mode == "add":
            return "clicks_off" if str(layers.points.current_symbol) == "hbar" else "clicks_on"
        if active is layers.boxes and mode.startswith("add_rectangle"):
            return "boxes"
        if active is layers.labels and mode in ("paint", "erase"):
            return mode
        return "look"

    def use(self, tool: str) -> None:
        """Have the mouse do something: see `TOOLS`. Makes the layer that it needs and selects it."""
        me = self._me
        if tool not in TOOLS:
            raise ValueError(f"there is no tool {tool!r}; there are {', '.join(TOOLS)}")
        if me._active is None:
            return
        binding = me._active.binding
        layer: Any
        if tool in ("clicks_on", "clicks_off"):
            layer, mode = binding.show_points(), "add"
            with binding.clicks.quiet() if binding.clicks is not None else _nothing():
                layer.selected_data = set()
                layer.current_symbol = "hbar" if tool == "clicks_off" else "cross"
                layer.current_face_color = (OFF if tool == "clicks_off" else ON)[0]
        elif tool == "boxes":
            layer, mode = binding.show_boxes(), "add_rectangle"
        else:
            layer, mode = binding.show_labels(), "pan_zoom" if tool == "look" else tool
        me.viewer.layers.selection.active = layer
        layer.visible = True
        layer.mode = mode
        me.mode_changed.emit()

    # prompts ------------------------------------------------------------------------------------------------------

    def click(
        self, frame: int, yx: Sequence[float], foreground: bool = True, modifiers: Iterable[str] = ()
    ) -> int | None:
        """Do what a click at (y, x) of a frame means; returns the cell it was about.

        Parameters
        ----------
        frame, yx
            Where.
        foreground
            Whether the tool says what belongs to a cell.
        modifiers
            Names of keys that were held: Shift for the current cell in any case, Control or Alt for the other sign.
        """
        me = self._me
        sheet = me._active
        if sheet is None:
            return None
        held = {str(m).lower() for m in modifiers}
        if held & {"control", "alt", "meta"}:
            foreground = not foreground
        y, x = round(float(yx[0])), round(float(yx[1]))
        height, width = sheet.session.document.frame_shape
        inside = 0 <= y < height and 0 <= x < width
        under = int(sheet.binding.shown.frame(frame)[y, x]) if inside else 0
        if foreground and "shift" not in held and under and under != me.current and under in sheet.session.cells:
            me.select(under)
            return under
        cell = self._target(foreground and "shift" not in held and not under)
        if not foreground and cell not in sheet.session.cells:
            notify.info("Click on the cell first: a click beside it then says what does not belong to it.")
            return None
        me.act("add_click", cell, frame, (float(yx[0]), float(yx[1])), foreground)
        return cell

    def box(self, frame: int, corners: Any, modifiers: Iterable[str] = ()) -> int | None:
        """Give a box: a new cell while cells are being added, or about the current one; returns the cell."""
        held = {str(m).lower() for m in modifiers}
        cell = self._target("shift" not in held)
        if cell:
            self._me.act("add_box", cell, frame, corners)
        return cell

    def _target(self, may_begin: bool) -> int:
        """The cell that a prompt is about; a new one becomes the current cell."""
        me = self._me
        assert me._active is not None
        known = me.current is not None and me.current in me._active.session.cells
        if me.current is None or self.is_gone(me.current) or (may_begin and me.adding and known):
            return me.next_cell()
        return me.current

    def move_prompt(self, key: Key, frame: int, to: Any) -> None:
        """Move a click or a box; onto another frame it becomes a prompt there."""
        me = self._me
        if frame == key.frame and self._is_alone(key):
            me.act("move_prompt", key.cell, key.frame, key.turn, to)
            return
        boxed = isinstance(to[0], tuple)
        with me.together():
            me.remove_prompts([key], keep_cell=True)
            if boxed:
                me.act("add_box", key.cell, frame, to)
            else:
                me.act("add_click", key.cell, frame, to, key.foreground)

    def _is_alone(self, key: Key) -> bool:
        said = self._said(key.cell, key.frame)
        if said is None or key.turn >= len(said.prompts.rounds):
            return False
        one = said.prompts.rounds[key.turn]
        return one.box is not None or len(one.clicks) == 1

    def _said(self, cell: int, frame: int) -> Said | None:
        session = self._me.session
        return None if session is None else session.document.prompts_of(cell).get(frame)

    def remove_prompts(self, keys: Iterable[Key], keep_cell: bool = False) -> None:
        """Take back clicks and boxes; a cell of which nothing is said any more goes with the last of them.

        Parameters
        ----------
        keys
            Which.
        keep_cell
            Leave a cell without prompts.
        """
        me = self._me
        session = me.session
        if session is None:
            return
        places: dict[tuple[int, int, int], set[int]] = defaultdict(set)
        for key in keys:
            places[key.cell, key.frame, key.turn].add(key.part)
        with me.together():
            for (cell, frame, index), parts in sorted(places.items(), reverse=True):
                said = self._said(cell, frame)
                if said is None or index >= len(said.prompts.rounds):
                    continue
                left = [c for i, c in enumerate(said.prompts.rounds[index].clicks) if i not in parts]
                me.act("remove_prompt", cell, frame, index)
                if left:
                    me.act("add_clicks", cell, frame, [c[:2] for c in left], [c[2] for c in left])
            for cell in {place[0] for place in places}:
                if not keep_cell and cell in session.cells and not session.stale_index.anchors(cell):
                    me.act("delete", cell)

    def _ask_previews(self, sheet: Sheet, event: Changed) -> None:
        """Have masks computed for prompts that an action has changed, on the frames it was about."""
        if event.verb not in PREVIEWED or len(event.cells) > MANY:
            return
        for cell in sorted(event.cells & set(sheet.session.cells)):
            for frame in sheet.session.prompts(cell):
                if event.first <= frame < event.stop and sheet.runs._is_due(cell, frame):
                    sheet.runs.preview(cell, frame)


MANY = 50
"""With more cells than this in one action their masks wait for a run."""


class _nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *args: object) -> None:
        return None
