"""Opening movies, and what becomes of sessions when layers, docks and viewers come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import npe2
import numpy as np
import pytest
import tifffile
from gated import Gate, gated
from napari.components import ViewerModel
from stub import FRAMES, HEIGHT, WIDTH, DiscEngine, movie

from napari_sam2.session import new_session, open_session
from napari_sam2.widgets import preferences
from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.image import axes_of, movie_of
from napari_sam2.widgets.place import default_place, free_place, from_home, name_of

Wait = Callable[..., None]


@pytest.fixture(autouse=True)
def discs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that are opened track by formula."""
    monkeypatch.setattr(preferences, "engine_maker", lambda said=None: DiscEngine)


@pytest.fixture
def free(viewer: ViewerModel, wait: Wait) -> object:
    """A desk on which nothing is open."""
    desk = desk_of(viewer)
    yield desk
    desk.close()


@pytest.fixture(autouse=True, scope="module")
def readers() -> None:
    """napari's own readers, which a viewer without a window does not look for."""
    npe2.PluginManager.instance().discover()


def saved(path: Path, data: np.ndarray | None = None) -> Path:
    tifffile.imwrite(path, movie() if data is None else data, photometric="minisblack")
    return path


# opening ----------------------------------------------------------------------------------------------------------


def test_a_session_is_begun_beside_the_file_and_continued(
    free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path, told: list[str]
) -> None:
    file = saved(tmp_path / "cells.ome.tif")
    image = viewer.open(file, plugin="napari")[0]
    free.open(image)
    wait(lambda: free.session is not None and not free.opening)
    assert free.session.path == tmp_path / "cells.sam2cells" and free.session.meta["movie"]["address"] == str(file)
    assert free.layers.labels in viewer.layers and free.tool == "clicks_on" and free.note == ""
    free.act("add_click", None, 2, (10, 12))
    free.track()
    wait()
    before = [free.session.labels[t].copy() for t in range(FRAMES)]
    free.close_session()
    assert free.session is None and list(viewer.layers) == [image]
    free.open(image)
    wait(lambda: free.session is not None)
    assert all(np.array_equal(free.session.labels[t], before[t]) for t in range(FRAMES))
    assert "Continued cells.sam2cells with 1 cell." in free.note and "Continued" in told[-1]
    assert len(free.layers.points.data) == 1
    free.open(image, fresh=True)
    wait(lambda: free.session is not None and not free.session.cells)
    assert free.session.path.name == "cells-2.sam2cells"


def test_another_movie_of_the_name_gets_its_own(free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path) -> None:
    image = viewer.open(saved(tmp_path / "cells.tif"), plugin="napari")[0]
    free.open(image)
    wait(lambda: free.session is not None)
    free.act("add_click", None, 2, (10, 12))
    free.close_session()
    viewer.layers.clear()
    other = viewer.open(saved(tmp_path / "cells.tif", movie()[::-1].copy()), plugin="napari")[0]
    free.open(other)
    wait(lambda: free.session is not None)
    assert free.session.path.name == "cells-2.sam2cells"


def test_places(viewer: ViewerModel, tmp_path: Path, own_data_folder: Path) -> None:
    image = viewer.add_image(movie(), name="a/b: c")
    assert default_place(image, "f" * 64) == own_data_folder / "a_b_ c-ffffffff.sam2cells"
    assert default_place(image, "f" * 64, tmp_path).parent == tmp_path
    taken = tmp_path / "x.sam2cells"
    taken.mkdir()
    assert free_place(taken) == taken
    (taken / "file").touch()
    assert free_place(taken).name == "x-2.sam2cells"


def test_places_as_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert from_home(tmp_path / "data" / "cells.sam2cells") == str(Path("~") / "data" / "cells.sam2cells")
    assert from_home(tmp_path.parent / "cells.sam2cells") == str(tmp_path.parent / "cells.sam2cells")
    assert name_of(tmp_path / "data" / "cells.sam2cells").endswith("cells.sam2cells")
    assert "data" not in name_of(tmp_path / "data" / "cells.sam2cells")


def test_settings_and_sizes_reach_the_session(free: Desk, viewer: ViewerModel, wait: Wait) -> None:
    image = viewer.add_image(movie(), scale=(30, 0.5, 0.25), units=("s", "um", "um"), contrast_limits=(10, 90))
    other = viewer.add_image(movie()[::-1].copy(), contrast_limits=(20, 80), scale=(30, 0.5, 0.25))
    free.open(image, others=(other,), shown_contrast=True, cell_diameter=17.0, device="cpu")
    wait(lambda: free.session is not None)
    meta = free.session.meta
    assert meta["limits"] == [[10.0, 90.0], [20.0, 80.0]] and meta["cell_diameter"] == 17.0 and meta["device"] == "cpu"
    assert meta["scale"] == [30.0, 0.5, 0.25] and meta["units"][1] in ("um", "micrometer", "µm")
    assert free.session.movie.n_channels == 2


@pytest.mark.parametrize("layer_scale", [None, (7, 2, 2)])
def test_sizes_that_napari_does_not_read_come_from_the_file(
    free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path, layer_scale: tuple[int, int, int] | None
) -> None:
    file = tmp_path / "cells.tif"
    told = {"axes": "TYX", "unit": "um", "finterval": 300.0}
    tifffile.imwrite(file, movie(), imagej=True, resolution=(2.0, 4.0), metadata=told)
    image = viewer.open(file, plugin="napari")[0]
    if layer_scale is not None:  # what the user said counts
        image.scale = layer_scale
    free.open(image)
    wait(lambda: free.session is not None)
    expected = ([300.0, 0.25, 0.5], ["second", "micrometer", "micrometer"])
    if layer_scale is not None:
        expected = ([7.0, 2.0, 2.0], ["", "", ""])
    assert (free.session.meta["scale"], free.session.meta["units"]) == expected


def test_what_is_no_movie_is_told(free: Desk, viewer: ViewerModel, told: list[str]) -> None:
    free.open(viewer.add_image(np.zeros((4, 9, 20, 30))))
    assert free.session is None and not free.opening and "Choose one plane, or project" in told[-1]


def test_a_session_open_elsewhere_is_told(
    free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path, told: list[str]
) -> None:
    image = viewer.open(saved(tmp_path / "cells.tif"), plugin="napari")[0]
    free.open(image)
    wait(lambda: free.session is not None)
    second = ViewerModel()
    desk = desk_of(second)
    desk.open(second.open(tmp_path / "cells.tif", plugin="napari")[0])
    assert desk.runner.pump(30, lambda: not desk.opening)
    assert desk.session is None and "is open in this napari already" in told[-1] and "close it there" in told[-1]
    desk.close()


def test_an_image_removed_while_it_is_opened(free: Desk, viewer: ViewerModel, wait: Wait) -> None:
    image = viewer.add_image(movie())
    free.open(image)
    viewer.layers.remove(image)
    wait(lambda: not free.opening)
    assert free.session is None


# sessions that nobody used ----------------------------------------------------------------------------------------


def begun(desk: Desk, wait: Wait, image: object, **options: object) -> Path:
    desk.open(image, **options)
    wait(lambda: desk.session is not None and not desk.opening)
    assert (desk.session.path / "session.json").exists()
    return desk.session.path


def test_looking_leaves_nothing_on_the_disk(
    free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path, told: list[str]
) -> None:
    image = viewer.open(saved(tmp_path / "cells.tif"), plugin="napari")[0]
    begun(free, wait, image)
    free.show_frame(3)
    free.use("boxes")
    free.use("paint")
    free.next_cell()
    free.act("set_options", cell_diameter=20.0)
    free.close_session()
    assert [p.name for p in tmp_path.glob("*")] == ["cells.tif"]
    begun(free, wait, image)
    image.data = movie()[::-1].copy()
    wait(lambda: free.session is None)
    assert "was replaced" in told[-1] and "saved" not in told[-1] and "Press Start" in told[-1]
    count = len(told)
    begun(free, wait, image)
    viewer.layers.remove(image)
    wait(lambda: free.session is None)
    assert len(told) == count, "there is nothing to say of what was never used"
    assert [p.name for p in tmp_path.glob("*")] == ["cells.tif"]


def test_a_desk_that_ends_leaves_only_what_was_used(
    free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path, own_data_folder: Path
) -> None:
    begun(free, wait, viewer.open(saved(tmp_path / "a.tif"), plugin="napari")[0])
    used = begun(free, wait, viewer.open(saved(tmp_path / "b.tif"), plugin="napari")[0])
    free.act("add_click", None, 2, (10, 12))
    wait()
    free.close()
    assert sorted(p.name for p in tmp_path.glob("*.sam2cells")) == [used.name]
    with open_session(used, movie(), make_engine=DiscEngine) as again:
        assert list(again.cells) == [1]


def test_a_movie_that_went_while_it_was_opened_leaves_nothing(
    free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path
) -> None:
    image = viewer.open(saved(tmp_path / "a.tif"), plugin="napari")[0]
    free.open(image)
    viewer.layers.remove(image)
    wait(lambda: not free.opening)
    assert [p.name for p in tmp_path.glob("*")] == ["a.tif"]


def test_an_empty_session_that_was_there_before_stays(
    free: Desk, viewer: ViewerModel, wait: Wait, tmp_path: Path
) -> None:
    image = viewer.open(saved(tmp_path / "a.tif"), plugin="napari")[0]
    path = tmp_path / "a.sam2cells"
    new_session(movie_of(image, ()), path, model="discs", make_engine=DiscEngine).close()
    assert begun(free, wait, image) == path
    free.close_session()
    assert (path / "session.json").exists()
    assert begun(free, wait, image, fresh=True) == tmp_path / "a-2.sam2cells"
    free.close_session()
    assert sorted(p.name for p in tmp_path.glob("*.sam2cells")) == [path.name]


# layers -----------------------------------------------------------------------------------------------------------


def test_layers_renamed_and_reordered_during_a_run(slow: Desk, viewer: ViewerModel, gate: Gate, wait: Wait) -> None:
    slow.track()
    gate.let(2)
    wait(lambda: slow.run.frame is not None)
    slow.layers.labels.name, slow.layers.image.name, slow.layers.points.name = "a", "b", "c"
    viewer.layers.reverse()
    viewer.layers.move(0, 2)
    gate.open.set()
    wait()
    assert all((slow.session.labels[t] == 1).any() for t in range(FRAMES))
    slow.show_frame(7)
    assert np.array_equal(slow.layers.labels._slice.image.raw, slow.session.labels[7])


def test_bound_layers_removed_during_a_run_are_made_again(
    slow: Desk, viewer: ViewerModel, gate: Gate, wait: Wait
) -> None:
    slow.track()
    gate.let(2)
    wait(lambda: slow.run.frame is not None)
    viewer.layers.remove(slow.layers.labels)
    viewer.layers.remove(slow.layers.points)
    assert slow.layers.labels is None and slow.layers.points is None
    gate.open.set()
    wait()
    assert all((slow.session.labels[t] == 2).any() for t in range(FRAMES))
    slow.use("clicks_on")
    slow.use("look")
    assert len(slow.layers.points.data) == 2 and slow.layers.labels in viewer.layers
    assert np.array_equal(slow.layers.labels._slice.image.raw, slow.session.labels[slow.frame])


def test_the_image_removed_during_a_run(
    slow: Desk, viewer: ViewerModel, gate: Gate, wait: Wait, told: list[str]
) -> None:
    path = slow.session.path
    slow.track()
    gate.let(3)
    wait(lambda: slow.run.done >= 4)
    threading.Timer(0.2, gate.open.set).start()
    viewer.layers.remove(slow.layers.image)
    wait(lambda: slow.session is None)
    assert not list(viewer.layers) and str(path) in told[-1]
    with open_session(path, movie(), make_engine=DiscEngine) as again:
        assert (again.labels[1] == 1).any() and len(again.cells) == 2


def test_the_images_data_replaced_during_a_run(
    slow: Desk, viewer: ViewerModel, gate: Gate, wait: Wait, told: list[str]
) -> None:
    path, image = slow.session.path, slow.layers.image
    slow.track()
    gate.let(3)
    wait(lambda: slow.run.done >= 4)
    gate.open.set()
    image.data = movie()[::-1].copy()
    wait(lambda: slow.session is None)
    assert list(viewer.layers) == [image] and "was replaced" in told[-1]
    with open_session(path, movie(), make_engine=DiscEngine) as again:
        assert (again.labels[1] == 1).any()


def test_the_labels_replaced_by_somebody_else(slow: Desk, wait: Wait, gate: Gate, told: list[str]) -> None:
    gate.open.set()
    layer = slow.layers.labels
    slow.show_frame(0)
    layer.data = np.zeros((FRAMES, HEIGHT, WIDTH), np.int32)
    slow.runner.pump(0.1)
    assert layer.data is slow.binding.shown and "Take over" in told[-1]
    assert layer._slice.image.raw.any() and np.array_equal(layer._slice.image.raw, slow.session.labels[0])


# desks ------------------------------------------------------------------------------------------------------------


def test_two_movies_run_side_by_side(slow: Desk, viewer: ViewerModel, gate: Gate, wait: Wait, tmp_path: Path) -> None:
    first, one = slow.session, slow.layers.image
    other = Gate()
    image = viewer.add_image(movie(), name="other")
    slow.place(image, axes_of(image), gated(tmp_path / "other.sam2cells", other))
    assert slow.session is not first and set(slow.sessions) == {one, image}
    slow.act("add_click", None, 0, (20, 20))
    wait(lambda: (slow.session.labels[0] == 1).any())
    slow.track()
    slow.activate(one)
    assert slow.session is first and slow.run.kind == "idle"
    slow.track()
    other.let(2)
    gate.let(3)
    wait(lambda: slow.run.done >= 4)
    slow.undo()  # of the first alone
    viewer.layers.selection.active = image
    assert slow.session.path.stem == "other" and slow.run.kind == "tracking"
    gate.open.set()
    other.open.set()
    wait()
    assert all((slow.session.labels[t] == 1).any() for t in range(FRAMES))
    assert not (first.labels[3] == 1).any() and (first.labels[0] == 1).any()


def test_closed_during_a_run_nothing_is_lost_and_no_thread_is_left(slow: Desk, gate: Gate, wait: Wait) -> None:
    path = slow.session.path
    slow.track()
    gate.let(4)
    wait(lambda: slow.run.done >= 6)
    threading.Timer(0.2, gate.open.set).start()
    slow.close()
    slow.close()
    assert slow.closed and desk_of(slow.viewer) is not slow
    desk_of(slow.viewer).close()
    with open_session(path, movie(), make_engine=DiscEngine) as again:
        assert (again.labels[2] == 1).any() and not (again.labels[FRAMES - 1] == 1).any()
        assert again.document.open_entry is None
        again.run()
        assert (again.labels[FRAMES - 1] == 1).any()


def test_closed_during_a_preview(desk: Desk) -> None:
    desk.act("add_click", None, 0, (10, 12))
    path = desk.session.path
    desk.close()
    with open_session(path, movie(), make_engine=DiscEngine) as again:
        assert list(again.prompts(1)) == [0]


def test_nothing_listens_after_the_end(desk: Desk, viewer: ViewerModel) -> None:
    image, points = desk.layers.image, desk.layers.points
    desk.close()
    points.add((0, 5, 5))
    image.scale = (2, 2, 2)
    viewer.dims.set_current_step(0, 3)
    viewer.layers.remove(image)
    viewer.layers.clear()


def test_why_a_movie_could_not_be_opened_stays_to_be_read(
    free: Desk, viewer: ViewerModel, wait: Wait, told: list[str], tmp_path: Path
) -> None:
    path = saved(tmp_path / "film.tif")
    image = viewer.open(path, plugin="napari")[0]
    free.open(image)
    wait(lambda: free.session is not None)
    free.act("add_click", None, 2, (10, 12))
    free.close_session()
    folder = tmp_path / "film.sam2cells"
    with open_session(folder, movie(), make_engine=DiscEngine):
        free.open(image)
        wait(lambda: not free.opening)
        assert free.session is None and free.refused and free.refused in " ".join(told)
    free.open(image)
    wait(lambda: free.session is not None)
    assert not free.refused
