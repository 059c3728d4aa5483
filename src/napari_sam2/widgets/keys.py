"""All keys of the plugin in one table: the help, the tooltips, the settings and the bindings are made from it.

`bindings` binds them on the viewer, `dock_keys` in the docks. No Qt here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2.widgets import cell_commands, commands

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk

MODIFIERS = {
    "ctrl": "Ctrl",
    "control": "Ctrl",
    "cmd": "Ctrl",
    "command": "Ctrl",
    "shift": "Shift",
    "alt": "Alt",
    "option": "Alt",
    "meta": "Meta",
    "super": "Meta",
}
"""How people write them -> how napari does; its Ctrl is the Command key of a Mac."""
_NAMED = "Left Right Up Down PageUp PageDown Home End Insert Delete Backspace Enter Escape Space Tab"
NAMED_KEYS = {name.lower(): name for name in (*_NAMED.split(), *(f"F{n}" for n in range(1, 13)))}


@dataclass(frozen=True)
class KeyAction:
    """What a key does.

    Parameters
    ----------
    id
        Name in settings and manifest.
    key
        Key by default, as napari writes it; "" for none.
    text
        What it does, in few words.
    group
        Heading in the help.
    run
        Does it.
    also
        Further keys, which cannot be changed and are left to napari where a layer has them.
    """

    id: str
    key: str
    text: str
    group: str
    run: Callable[[Desk], object]
    also: tuple[str, ...] = ()


ACTIONS: Mapping[str, KeyAction] = {
    action.id: action
    for action in (
        KeyAction("next_cell", "N", "Next cell: clicks are a new cell from now on", "Click", commands.next_cell),
        KeyAction("last_cell", "Shift+N", "Back to the cell before", "Click", commands.last_cell),
        KeyAction("clicks_on", "Q", "Clicks on the cell (+)", "Click", commands.clicks_on),
        KeyAction("clicks_off", "W", "Clicks beside the cell (\N{MINUS SIGN})", "Click", commands.clicks_off),
        KeyAction("boxes", "Shift+B", "Draw a box around the cell", "Click", commands.boxes),
        KeyAction("paint_mask", "Shift+Q", "Paint the cell; again: erase", "Click", commands.paint),
        KeyAction("look", "Shift+Z", "Only look: move the picture, choose cells", "Click", commands.look),
        KeyAction("track", "G", "Track what is needed", "Track", commands.track),
        KeyAction("track_cell", "Shift+T", "Track only this cell", "Track", commands.track_cell),
        KeyAction("pause", "Shift+G", "Pause, and go on", "Track", commands.pause),
        KeyAction("cancel", "Shift+C", "Stop tracking and keep what is done", "Track", commands.cancel),
        KeyAction("next_suspect", "J", "Next suspect", "Review", commands.next_suspect),
        KeyAction("previous_suspect", "Shift+J", "Previous suspect", "Review", commands.previous_suspect),
        KeyAction("accept", "Shift+Y", "It is right: accept, and go to the next", "Review", commands.accept),
        KeyAction("reject", "Shift+R", "It is no division: reject, and go to the next", "Review", commands.reject),
        KeyAction("next_prompted", "Shift+Right", "Next frame with clicks", "Review", cell_commands.next_prompted),
        KeyAction(
            "previous_prompted", "Shift+Left", "Previous frame with clicks", "Review", cell_commands.previous_prompted
        ),
        KeyAction("lock_here", "K", "Lock on this frame, or unlock", "Correct", cell_commands.lock_here),
        KeyAction("lock", "Shift+K", "Lock on all frames, or unlock", "Correct", cell_commands.lock),
        KeyAction("divide", "Shift+D", "It divides: daughters from this frame on", "Correct", cell_commands.divide),
        KeyAction("merge", "Shift+M", "Merge with the cell under the mouse", "Correct", cell_commands.merge),
        KeyAction("join", "Shift+O", "It goes on as the cell under the mouse", "Correct", cell_commands.connect),
        KeyAction("swap", "Shift+W", "Swap with the cell under the mouse from here on", "Correct", cell_commands.swap),
        KeyAction("cut", "Shift+E", "Cut: another cell from this frame on", "Correct", cell_commands.cut),
        KeyAction("delete_on", "Shift+X", "Delete on this frame", "Correct", cell_commands.delete_on),
        KeyAction("delete_from", "Shift+Delete", "Delete from this frame on", "Correct", cell_commands.delete_from),
        KeyAction("delete", "Alt+Delete", "Delete on all frames", "Correct", cell_commands.delete),
        KeyAction("undo_step", "U", "Undo: clicks and labels together", "Always", commands.undo, ("Ctrl+Z",)),
        KeyAction("redo_step", "Shift+U", "Redo", "Always", commands.redo, ("Ctrl+Shift+Z",)),
        KeyAction("show_only", "Shift+S", "Show only this cell, or all", "Always", commands.show_only),
        KeyAction("find_cell", "Shift+F", "Look at this cell", "Always", cell_commands.find_cell),
        KeyAction("help", "H", "Keys", "Always", commands.show_help),
    )
}
"""In the order of the help."""


def parse(text: str) -> str:
    """Write a key as napari does.

    Parameters
    ----------
    text
        As somebody may write it: ``"shift + n"``, ``"Ctrl-Shift-Z"``; empty for no key.

    Raises
    ------
    ValueError
        If it is no key, with an example.
    """
    if not text.strip():
        return ""
    parts = [part.strip() for part in text.replace("-", "+").split("+")]
    found: list[str] = []
    for part in parts[:-1]:
        if part.lower() not in MODIFIERS:
            raise ValueError(f"{text!r} is no key: {part!r} is none of Ctrl, Shift, Alt, Meta. Write it like Shift+N")
        found.append(MODIFIERS[part.lower()])
    last = parts[-1]
    if len(last) == 1 and last.isascii() and last.isalnum():
        key = last.upper()
    elif last.lower() in NAMED_KEYS:
        key = NAMED_KEYS[last.lower()]
    else:
        raise ValueError(f"{text!r} is no key: use a letter, a digit, or a name like Right, Delete, F2, as in Shift+N")
    return "+".join([*(name for name in ("Ctrl", "Shift", "Alt", "Meta") if name in found), key])


def resolve(chosen: Mapping[str, str], taken: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Give each action its key.

    Parameters
    ----------
    chosen
        Action -> key, of those that the user has changed; "" for no key.
    taken
        Keys of napari -> what they do.

    Returns
    -------
    keys : dict of str to str
        Action -> key; "" where it has none.
    problems : list of str
        What could not be done as chosen, and how to mend it.
    """
    keys: dict[str, str] = {}
    owner: dict[str, KeyAction] = {}
    problems: list[str] = []
    mend = "Choose another in Preferences > SAM 2 cell tracking"
    # what the user has said comes first: a default must not take a key from it
    for action in sorted(ACTIONS.values(), key=lambda a: a.id not in chosen):
        keys[action.id] = ""
        try:
            key = parse(chosen.get(action.id, action.key))
        except ValueError as error:
            problems.append(f"'{action.text}' has no key: {error}.")
            continue
        if not key:
            continue
        if key in taken:
            problems.append(f"'{action.text}' has no key: {key} is napari's ({taken[key]}). {mend}.")
        elif key in owner:
            problems.append(f"'{action.text}' has no key: {key} is for '{owner[key].text}'. {mend}.")
        else:
            keys[action.id], owner[key] = key, action
    return {action: keys[action] for action in ACTIONS}, problems


# in words ---------------------------------------------------------------------------------------------------------

_current: dict[str, str] = {action.id: parse(action.key) for action in ACTIONS.values()}
_told: weakref.WeakKeyDictionary[Any, tuple[str, str]] = weakref.WeakKeyDictionary()


def key_of(action: str) -> str:
    """The key that an action has now; "" for none."""
    return _current[action]


def tooltip(action: str, text: str = "") -> str:
    """What an action does and by which key, for a tooltip.

    Parameters
    ----------
    action
        Its id.
    text
        Other words than those of the table.
    """
    words = text or ACTIONS[action].text
    return f"{words} ({_current[action]})" if _current[action] else words


def tell(widget: Any, action: str, text: str = "") -> None:
    """Set the tooltip of a widget, and keep its key right when keys change."""
    _told[widget] = (action, text)
    widget.setToolTip(tooltip(action, text))


def set_current(keys: Mapping[str, str]) -> None:
    """Note which keys are bound, and bring the tooltips up to date."""
    _current.update(keys)
    for widget, (action, text) in list(_told.items()):
        try:
            widget.setToolTip(tooltip(action, text))
        except RuntimeError:  # Qt has deleted it
            del _told[widget]
