"""What the plugin tells napari: every name can be imported, every menu exists, preferences are read and heeded."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_sam2
from napari_sam2.weights import list_models
from napari_sam2.widgets import bindings, keys, preferences

FILE = Path(napari_sam2.__file__).with_name("napari.yaml")
MANIFEST = PluginManifest.from_file(FILE)
CONTRIBUTED = MANIFEST.contributions
COMMANDS = {command.id: command for command in CONTRIBUTED.commands}


def test_valid() -> None:
    done = subprocess.run([sys.executable, "-m", "npe2", "validate", str(FILE)], capture_output=True, text=True)
    assert done.returncode == 0 and "valid!" in done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted({c.python_name for c in COMMANDS.values()}))
def test_every_python_name_is_there(name: str) -> None:
    assert callable(import_python_name(name))


def test_every_command_that_is_named_exists() -> None:
    named = [w.command for w in CONTRIBUTED.widgets]
    named += [w.command for w in CONTRIBUTED.writers]
    named += [r.command for r in CONTRIBUTED.readers]
    named += [s.command for s in CONTRIBUTED.sample_data if hasattr(s, "command")]
    named += [item.command for items in CONTRIBUTED.menus.values() for item in items]
    assert len(named) > 20
    assert set(named) <= set(COMMANDS)


def test_every_menu_is_one_that_plugins_may_add_to() -> None:
    from napari._app_model.constants._menus import is_menu_contributable

    assert {"napari/layers/segment", "napari/layers/track"} <= set(CONTRIBUTED.menus)
    assert not is_menu_contributable("napari/layers/no_such_menu")
    for menu in CONTRIBUTED.menus:
        assert is_menu_contributable(menu), menu


def test_widgets_take_the_viewer() -> None:
    from qtpy.QtWidgets import QWidget

    names = {w.display_name: COMMANDS[w.command].python_name for w in CONTRIBUTED.widgets}
    assert set(names) == {"SAM 2 Cell Tracker", "Cells", "Review", "Lineage"}
    for name in names.values():
        kind = import_python_name(name)
        assert issubclass(kind, QWidget)
        assert next(iter(inspect.signature(kind).parameters)) == "viewer"


def test_every_action_of_the_key_table_is_in_the_palette() -> None:
    for action in keys.ACTIONS.values():
        command = COMMANDS[f"napari-sam2.{action.id}"]
        assert command.title == action.text
        function = import_python_name(command.python_name)
        assert function.__module__ == "napari_sam2.widgets.palette" and function.__name__ == action.id


@pytest.mark.gui
def test_the_palette_acts_on_the_viewer(
    make_napari_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As napari does it: the command is executed, and the viewer is put in."""
    from napari._app_model import get_app_model
    from npe2 import PluginManager

    if "napari-sam2" not in PluginManager.instance():
        PluginManager.instance().register(MANIFEST)
    viewer = make_napari_viewer()
    ran: list[tuple[object, str]] = []
    monkeypatch.setattr(bindings, "run", lambda desk, action: ran.append((desk.viewer, action)))
    app = get_app_model()
    assert "napari-sam2.track" in app.commands
    app.commands.execute_command("napari-sam2.track").result()
    assert ran == [(viewer, "track")]
    shown = {item.command.id for item in app.menus.get_menu("napari/layers/track") if hasattr(item, "command")}
    assert {"napari-sam2.track", "napari-sam2.open_tracker"} <= shown


# preferences ------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """napari's settings of this plugin, in a folder of the test."""
    from napari import settings as napari_settings
    from npe2 import PluginManager

    manager = PluginManager.instance()
    if "napari-sam2" not in manager:
        manager.register(MANIFEST)
    napari_settings._clear_plugin_settings_cache()
    monkeypatch.setattr(napari_settings, "_CFG_PATH", str(tmp_path / "settings.yaml"))
    yield napari_settings.get_plugin_settings("napari-sam2")
    napari_settings._clear_plugin_settings_cache()


def test_defaults_are_those_of_the_manifest(settings: Any) -> None:
    assert preferences.read() == preferences.Preferences()


def test_the_models_that_can_be_chosen_are_those_there_are() -> None:
    fields = CONTRIBUTED.configurations["tracking"].properties
    assert fields["model"].enum == [info.name for info in list_models()]


def test_what_is_set_is_read(settings: Any, tmp_path: Path) -> None:
    settings.tracking.model = "sam2.1-tiny"
    settings.tracking.device = "cpu"
    settings.tracking.precision = "bfloat16"
    settings.storage.sessions_folder = "~/sessions"
    settings.storage.models_folder = str(tmp_path / "models")
    settings.storage.cache_folder = str(tmp_path / "cache")
    settings.storage.cache_gigabytes = 2.5
    settings.keys.track = "F6"
    settings.keys.help = ""
    found = preferences.read()
    assert (found.model, found.device, found.dtype) == ("sam2.1-tiny", "cpu", "bfloat16")
    assert found.sessions_folder == Path.home() / "sessions"
    assert found.cache_folder == tmp_path / "cache" and found.cache_bytes == 2_684_354_560
    assert dict(found.keys) == {"track": "F6", "help": ""}
    assert "bfloat16" in (tmp_path / "napari-sam2.yaml").read_text()  # and kept by napari


def test_changes_are_heard_until_the_end(settings: Any) -> None:
    heard: list[int] = []
    end = preferences.on_change(lambda: heard.append(1))
    settings.keys.track = "F6"
    settings.tracking.device = "cpu"
    assert len(heard) == 2
    end()
    settings.keys.track = "F7"
    assert len(heard) == 2


def test_without_napari_s_plugin_settings_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "_settings", lambda: None)
    assert preferences.read() == preferences.Preferences()
    preferences.on_change(lambda: None)()


def test_the_models_folder_is_heeded(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_sam2.weights import CACHE_VARIABLE, cache_folder, set_cache_folder

    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    settings.storage.models_folder = str(tmp_path / "models")
    try:
        preferences.apply(preferences.read())
        assert cache_folder() == tmp_path / "models"
    finally:
        set_cache_folder(None)


def test_precision_and_caches_reach_the_tracker(settings: Any, tmp_path: Path) -> None:
    import numpy as np

    from napari_sam2.session import new_session

    settings.tracking.precision = "float32"
    settings.storage.cache_folder = str(tmp_path / "cache")
    settings.storage.cache_gigabytes = 0.5
    movie = np.zeros((2, 64, 64), np.uint8)
    with new_session(movie, tmp_path / "a", make_engine=preferences.engine_maker()) as session:
        tracker = session.engine.tracker
        assert str(tracker.network.dtype) == "torch.float32"
        features = tracker._features
        assert features.disk is not None and features.disk.folder == tmp_path / "cache"
        assert features.budget == 2**29


def test_a_session_begins_with_the_chosen_model_and_device(settings: Any, tmp_path: Path) -> None:
    """Through the desk, as the Start button does."""
    import numpy as np
    from napari.components import ViewerModel

    from napari_sam2.widgets.desk import desk_of

    settings.tracking.model = "sam2.1-small"
    settings.tracking.device = "cpu"
    settings.storage.sessions_folder = str(tmp_path / "sessions")
    viewer = ViewerModel()
    desk = desk_of(viewer)
    desk.open(viewer.add_image(np.zeros((3, 32, 32), np.uint8), name="a movie"))
    assert desk.runner.pump(60, lambda: desk.session is not None)
    assert desk.session.meta["model"]["name"] == "sam2.1-small"
    assert desk.session.meta["device"] == "cpu"
    assert desk.session.path.parent == tmp_path / "sessions"
    desk.close()
