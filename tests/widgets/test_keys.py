"""The key table: no clash with napari, bound and taken back on a viewer, refused in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import napari.layers
import pytest
import yaml
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding
from napari.utils.notifications import NotificationManager, notification_manager

import napari_sam2
from napari_sam2.widgets import cell_commands, commands, keys
from napari_sam2.widgets.bindings import bindings_of, napari_keys
from napari_sam2.widgets.desk import Desk

LAYERS = [
    napari.layers.Image,
    napari.layers.Labels,
    napari.layers.Points,
    napari.layers.Shapes,
    napari.layers.Surface,
    napari.layers.Tracks,
    napari.layers.Vectors,
]


def press(viewer: ViewerModel, key: str) -> bool:
    """Press a key as napari's canvas does: the active layer's keys come first."""
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [viewer] if active is None else [active, viewer]
    return handler.press_key(key)


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the user is told."""
    found: list[str] = []
    manager: NotificationManager = notification_manager

    def hear(notification: object) -> None:
        found.append(str(notification.message))

    manager.notification_ready.connect(hear)
    yield found
    manager.notification_ready.disconnect(hear)


# the table --------------------------------------------------------------------------------------------------------


@pytest.mark.gui
def test_no_clash_with_napari(make_napari_viewer: Callable[..., object]) -> None:
    """With a window, when napari has bound its keys: for each kind of layer, the viewer, and the menus."""
    make_napari_viewer()
    ours = {action.key for action in keys.ACTIONS.values() if action.key}
    for kind in (*LAYERS, ViewerModel):
        theirs = {str(key) for key in kind.class_keymap}
        assert theirs, f"napari has keys for {kind.__name__}: without any, nothing was compared"
        assert not ours & theirs, kind.__name__
    found = napari_keys()
    assert any(what.startswith("menu: ") for what in found.values())
    assert not ours & set(found)


def test_no_clash_with_the_settings_of_napari() -> None:
    from napari.utils.shortcuts import default_shortcuts

    theirs = {str(key) for bound in default_shortcuts.values() for key in bound}
    assert len(theirs) > 50
    assert not {action.key for action in keys.ACTIONS.values()} & theirs


def test_every_default_key_is_one_and_no_two_are_the_same() -> None:
    bound = [key for action in keys.ACTIONS.values() for key in (action.key, *action.also) if key]
    assert len(bound) == len(set(bound)) >= 30
    for key in bound:
        assert keys.parse(key) == key == str(coerce_keybinding(key))


def test_the_manifest_has_the_table() -> None:
    """Preferences show a field for each action, with its words and key."""
    manifest = yaml.safe_load(Path(napari_sam2.__file__).with_name("napari.yaml").read_text(encoding="utf-8"))
    fields = manifest["contributions"]["configurations"]["keys"]["properties"]
    assert {name: (f["title"], f["default"], f["type"]) for name, f in fields.items()} == {
        action.id: (action.text, action.key, "string") for action in keys.ACTIONS.values()
    }


@pytest.mark.parametrize(
    ("written", "meant"),
    [("n", "N"), ("shift+n", "Shift+N"), ("Shift - N", "Shift+N"), ("alt+SHIFT+cmd+z", "Ctrl+Shift+Alt+Z"),
     ("control-right", "Ctrl+Right"), ("f2", "F2"), ("pagedown", "PageDown"), ("7", "7"), ("", ""), ("  ", "")],
)  # fmt: skip
def test_keys_are_read_as_people_write_them(written: str, meant: str) -> None:
    assert keys.parse(written) == meant


@pytest.mark.parametrize("written", ["Foo", "Shift+", "N+Shift", "Shift+Foo", "ä", "F13", "Shift", "NN", "Ctrl+Ctrl"])
def test_what_is_no_key_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match=r"is no key: .*Shift\+N"):
        keys.parse(written)


def test_resolve_gives_what_was_chosen_first() -> None:
    # the user takes N for tracking: 'next cell', whose default it is, goes without and says so
    found, problems = keys.resolve({"track": "n"}, {})
    assert found["track"] == "N"
    assert found["next_cell"] == ""
    assert len(problems) == 1
    assert "'Next cell" in problems[0] and "is for 'Track what is needed'" in problems[0]
    assert "Preferences" in problems[0]


def test_resolve_refuses_what_is_napari_s_and_what_is_no_key() -> None:
    found, problems = keys.resolve({"track": "Ctrl+G", "lock": "Hyper+Q", "help": ""}, {"Ctrl+G": "toggle grid"})
    assert (found["track"], found["lock"], found["help"]) == ("", "", "")
    assert [p for p in problems if "Ctrl+G is napari's (toggle grid)" in p]
    assert [p for p in problems if "'Hyper' is none of" in p]
    assert len(problems) == 2
    assert found["next_cell"] == "N"  # the others are as they were


def test_napari_s_keys_have_names() -> None:
    found = napari_keys()
    assert found["Ctrl+G"] == "toggle grid"
    assert "labels" in found["E"] or "ellipse" in found["E"]
    assert found["Shift+Alt+Up"]


# tooltips ---------------------------------------------------------------------------------------------------------


class Button:
    def __init__(self) -> None:
        self.tip = ""

    def setToolTip(self, text: str) -> None:  # noqa: N802
        self.tip = text


def test_tooltips_follow_the_keys() -> None:
    button = Button()
    keys.tell(button, "track", "Go")
    assert button.tip == "Go (G)"
    before = {action: keys.key_of(action) for action in keys.ACTIONS}
    try:
        keys.set_current({"track": "F5"})
        assert button.tip == "Go (F5)" and keys.tooltip("track") == "Track what is needed (F5)"
        keys.set_current({"track": ""})
        assert button.tip == "Go"
    finally:
        keys.set_current(before)


# on a viewer ------------------------------------------------------------------------------------------------------


def test_keys_are_bound_and_taken_back(desk: Desk, told: list[str]) -> None:
    viewer, pressed = desk.viewer, []
    viewer.bind_key("N", lambda v: pressed.append("mine"))
    before = dict(viewer.keymap)
    bound = bindings_of(desk)
    bound.bind({})
    assert bound.bound["track"] == "G" and not bound.problems
    for action in keys.ACTIONS.values():
        assert coerce_keybinding(action.key) in viewer.keymap
    assert press(viewer, "N") and not pressed
    first = desk.current
    assert first is not None
    bound.unbind()
    assert dict(viewer.keymap) == before
    assert press(viewer, "N") and pressed == ["mine"]
    assert not press(viewer, "G")


def test_what_a_script_binds_meanwhile_stays(desk: Desk) -> None:
    bound = bindings_of(desk)
    bound.bind({})
    pressed: list[int] = []
    desk.viewer.bind_key("K", lambda viewer: pressed.append(1), overwrite=True)
    bound.unbind()
    assert press(desk.viewer, "K") and pressed == [1]


def test_keys_change_at_once(desk: Desk) -> None:
    bound = bindings_of(desk)
    bound.bind({})
    bound.bind({"next_cell": "F4"})
    assert not press(desk.viewer, "N")
    assert press(desk.viewer, "F4") and desk.current == 1
    bound.unbind()
    assert not press(desk.viewer, "F4")


def test_a_problem_is_told_once(desk: Desk, told: list[str]) -> None:
    bound = bindings_of(desk)
    bound.bind({"track": "Ctrl+G"})
    bound.bind({"track": "Ctrl+G"})
    assert len(told) == 1 and "Ctrl+G is napari's" in told[0]
    bound.unbind()


@pytest.mark.parametrize("kind", ["points", "boxes", "labels", "image"])
def test_keys_work_whatever_layer_is_active(desk: Desk, kind: str) -> None:
    binding = desk.binding
    made = {"points": binding.show_points, "boxes": binding.show_boxes, "labels": binding.show_labels}
    layer = made[kind]() if kind in made else desk.layers.image
    bound = bindings_of(desk)
    bound.bind({})
    for action in ("clicks_on", "next_cell", "undo_step", "help"):
        run: list[str] = []
        known = keys.ACTIONS[action]
        desk.viewer.layers.selection.active = layer
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(keys.ACTIONS, action, keys.KeyAction(*(known.id, known.key, "", "", run.append)))
            assert press(desk.viewer, known.key)
        assert run == [desk]
    bound.unbind()


def test_ctrl_z_is_undo_of_everything(desk: Desk, told: list[str]) -> None:
    bindings_of(desk).bind({})
    for layer in (desk.layers.image, desk.binding.show_points(), desk.binding.show_labels()):
        desk.viewer.layers.selection.active = layer
        desk.session.add_click(None, 0, (10, 12))
        assert press(desk.viewer, "Ctrl+Z")
        assert not desk.session.cells
    bindings_of(desk).unbind()


def test_the_first_dock_binds_and_the_last_takes_back(desk: Desk) -> None:
    bound = bindings_of(desk)
    bound.hold("dock A")
    bound.hold("dock B")
    bound.release("dock A")
    assert press(desk.viewer, "N")
    bound.release("dock B")
    assert not press(desk.viewer, "N")
    assert bindings_of(desk) is not bound  # forgotten, so that a closed desk can go
    bindings_of(desk).unbind()


def test_an_error_of_an_action_is_told_in_words(desk: Desk, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(desk: Desk) -> None:
        raise MemoryError

    bindings_of(desk).bind({})
    monkeypatch.setitem(keys.ACTIONS, "track", keys.KeyAction("track", "G", "Track", "", fails))
    press(desk.viewer, "G")
    assert told and "not enough memory" in told[0]
    bindings_of(desk).unbind()


# what the keys do -------------------------------------------------------------------------------------------------


def test_without_a_session_every_key_says_what_to_do(told: list[str]) -> None:
    viewer = ViewerModel()
    from napari_sam2.widgets.desk import desk_of

    empty = desk_of(viewer)
    for action in keys.ACTIONS.values():
        if action.id == "help":
            continue
        told.clear()
        action.run(empty)
        assert len(told) == 1, action.id
    empty.close()


def test_cells_one_after_the_other_and_back(desk: Desk, told: list[str]) -> None:
    for yx in ((10, 12), (28, 12), (18, 30)):
        commands.next_cell(desk)
        desk.click(0, yx)
    assert desk.current == 3 and desk.tool == "clicks_on"
    commands.last_cell(desk)
    assert desk.current == 2
    commands.last_cell(desk)
    assert desk.current == 3  # there and back again
    commands.next_cell(desk)
    assert desk.current == 4
    commands.last_cell(desk)
    assert desk.current == 3


def test_frames_with_clicks(desk: Desk, told: list[str]) -> None:
    for frame, yx in ((2, (10, 12)), (7, (10, 20))):
        desk.act("add_click", 1, frame, yx)
    desk.act("add_click", 2, 4, (30, 30))
    desk.select(1)
    desk.show_frame(0)
    seen = []
    for _ in range(2):
        cell_commands.next_prompted(desk)
        seen.append(desk.frame)
    cell_commands.next_prompted(desk)
    assert seen == [2, 7] and desk.frame == 7
    assert "no clicks on cell 1 after frame 7" in told[-1]
    cell_commands.previous_prompted(desk)
    assert desk.frame == 2
    desk.select(None)
    cell_commands.next_prompted(desk)
    assert desk.frame == 4


def test_correcting_keys(desk: Desk, wait: Callable[..., None], told: list[str]) -> None:
    for yx in ((10, 12), (28, 12)):
        desk.act("add_click", None, 0, yx)
    desk.session.run()
    desk.select(1)
    desk.show_frame(5)
    cell_commands.lock_here(desk)
    locked = desk.session.measurements(1)["locked"]
    assert locked[5] and locked.sum() == 1
    cell_commands.lock_here(desk)
    assert not desk.session.measurements(1)["locked"].any()
    cell_commands.lock(desk)
    assert desk.session.measurements(1)["locked"].all()
    cell_commands.lock(desk)
    cell_commands.delete_on(desk)
    assert not desk.session.measurements(1)["area"][5]
    commands.undo(desk)
    assert desk.session.measurements(1)["area"][5]
    cell_commands.delete_from(desk)
    assert not desk.session.measurements(1)["area"][5:].any()
    commands.undo(desk)
    cell_commands.cut(desk)
    assert set(desk.session.cells) == {1, 2, 3}
    commands.undo(desk)
    commands.redo(desk)
    assert set(desk.session.cells) == {1, 2, 3}
    cell_commands.delete(desk)
    assert 1 not in desk.session.cells


def test_two_cells_take_the_one_under_the_mouse(desk: Desk, told: list[str]) -> None:
    for yx in ((10, 12), (28, 12)):
        desk.act("add_click", None, 0, yx)
    desk.session.run()
    desk.select(1)
    desk.viewer.cursor.position = (0, 0, 0)
    cell_commands.swap(desk)
    assert "Point with the mouse at the other cell" in told[-1]
    frame = 5
    desk.show_frame(frame)
    row = desk.session.measurements(2)[frame]
    desk.viewer.cursor.position = (frame, float(row["y"]), float(row["x"]))
    assert cell_commands.cell_under_mouse(desk) == 2
    before = desk.session.labels[frame].copy()
    cell_commands.swap(desk)
    after = desk.session.labels[frame]
    assert ((before == 1) == (after == 2)).all() and (before == 1).any()
    assert (desk.session.labels[0] == 1).any()


def test_show_only_is_a_switch(desk: Desk, told: list[str]) -> None:
    commands.show_only(desk)
    assert "Choose a cell first" in told[-1]
    desk.act("add_click", 1, 0, (10, 12))
    desk.select(1)
    labels = desk.binding.show_labels()
    commands.show_only(desk)
    assert labels.show_selected_label
    commands.show_only(desk)
    assert not labels.show_selected_label
