"""Binding the key table on a viewer, and taking it back.

napari's own keys win: a layer's keys come before the viewer's, and a key that napari, or the user in napari's settings,
has given to something else is not bound, but told about. No Qt here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam2.widgets import keys, notify, preferences

if TYPE_CHECKING:
    from napari_sam2.widgets.desk import Desk


def napari_keys() -> dict[str, str]:
    """Keys that napari uses itself, for any kind of layer and in its menus, with what they do."""
    import napari.layers
    from napari.components import ViewerModel
    from napari.settings import get_settings

    kinds = [getattr(napari.layers, name) for name in napari.layers.__all__]
    found: dict[str, str] = {}
    for kind in (ViewerModel, *(kind for kind in kinds if hasattr(kind, "class_keymap"))):
        for key, function in kind.class_keymap.items():
            if key is not Ellipsis:
                found.setdefault(_canonical(str(key)), _named(function))
    # what is set is bound only when the first window opens
    for action, bound in get_settings().shortcuts.shortcuts.items():
        for key in bound:
            found.setdefault(_canonical(str(key)), action.rpartition(":")[2].replace("_", " "))
    for key, command in _menu_keys():
        found.setdefault(_canonical(key), f"menu: {command}")
    return found


def _menu_keys() -> list[tuple[str, str]]:
    try:
        from napari._app_model import get_app_model
    except ImportError:  # not public: without it, a clash with a menu goes unnoticed, and the menu wins
        return []
    return [(str(known.keybinding), known.command_id.rsplit(".", 1)[-1]) for known in get_app_model().keybindings]


def _canonical(key: str) -> str:
    try:
        return keys.parse(key)
    except ValueError:  # punctuation and bare modifiers, which the table does not use
        return key


def _named(function: Any) -> str:
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", "something else")
    return str(name).strip("_").replace("_", " ")


class Bindings:
    """The keys of one desk.

    Parameters
    ----------
    desk
        Whose viewer they are bound on, and what they act on.

    Attributes
    ----------
    bound : dict of str to str
        Action -> key, as bound now; empty when not bound.
    problems : list of str
        Keys that could not be bound, and the mend.
    changed : Signal
        After keys were bound, changed or taken back.
    """

    changed = Signal()

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._before: dict[str, Any] = {}
        self._functions: dict[str, Callable[[Any], None]] = {}
        self._holders: list[Any] = []
        self.bound: dict[str, str] = {}
        self.problems: list[str] = []

    @property
    def holders(self) -> tuple[Any, ...]:
        """The docks that are open, in the order of opening."""
        return tuple(self._holders)

    def hold(self, dock: Any) -> None:
        """Bind the keys, if this is the first dock."""
        self._holders.append(dock)
        if len(self._holders) == 1:
            self.bind()
        else:
            self.changed.emit()

    def release(self, dock: Any) -> None:
        """Take the keys back, if this was the last dock."""
        if dock in self._holders:
            self._holders.remove(dock)
        if not self._holders:
            self.unbind()

    def bind(self, chosen: Mapping[str, str] | None = None) -> None:
        """Bind all keys; those bound before are taken back first.

        Parameters
        ----------
        chosen
            Action -> key that the user has changed; read from the preferences when None.
        """
        self._take_back()
        taken = napari_keys()
        said = preferences.read().keys if chosen is None else chosen
        self.bound, problems = keys.resolve(said, taken)
        for action, key in self.bound.items():
            if key:
                self._put(key, action)
        for known in keys.ACTIONS.values():
            for key in known.also:
                if key not in self.bound.values():
                    self._put(key, known.id)
        fresh = [problem for problem in problems if problem not in self.problems]
        self.problems = problems
        keys.set_current(self.bound)
        for problem in fresh:
            notify.warning(problem)
        self.changed.emit()

    def unbind(self) -> None:
        """Take all keys back; what was bound before is bound again."""
        self._take_back()
        self.bound, self.problems, self._holders = {}, [], []
        _bindings.pop(id(self._desk), None)
        self.changed.emit()

    def _put(self, key: str, action: str) -> None:
        function = partial(_run, self._desk, action)
        # napari asks all bound functions for their names, at each key
        function.__name__ = f"napari_sam2_{action}"  # type: ignore[attr-defined]
        self._functions[key] = function
        self._before[key] = _bare(self._desk.viewer.bind_key(key, function, overwrite=True))

    def _take_back(self) -> None:
        keymap = self._desk.viewer.keymap
        for key, function in self._functions.items():
            # a script may have bound something of its own since: that stays
            if any(str(known) == key and _bare(other) is function for known, other in keymap.items()):
                self._desk.viewer.bind_key(key, self._before[key], overwrite=True)
        self._functions, self._before = {}, {}


def _bare(found: Any) -> Any:
    """Without the proxy that napari puts around what it hands to plugins."""
    return getattr(found, "__wrapped__", found)


def _run(desk: Desk, action: str, viewer: Any = None) -> None:
    """Run an action; an error is told."""
    try:
        keys.ACTIONS[action].run(desk)
    except Exception as error:  # noqa: BLE001  a key must never end in a traceback on a terminal
        notify.show(error, keys.ACTIONS[action].text.lower())


def run(desk: Desk, action: str) -> None:
    """Do what a key does."""
    _run(desk, action)


_bindings: dict[int, Bindings] = {}


def bindings_of(desk: Desk) -> Bindings:
    """The keys of a desk; not bound yet when new. Forgotten when they are unbound."""
    return _bindings.setdefault(id(desk), Bindings(desk))
