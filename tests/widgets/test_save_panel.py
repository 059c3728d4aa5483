"""The Save tab: says where everything is, exports all formats off the main thread, copies and reopens sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from stub import DiscEngine, movie, state

from napari_sam2.export import FORMATS
from napari_sam2.session import new_session
from napari_sam2.widgets import exports, preferences
from napari_sam2.widgets.desk import Desk, desk_of
from napari_sam2.widgets.export_job import Exporter, size
from napari_sam2.widgets.exports import OFFERS, SCRIPT, suggested, why_not
from napari_sam2.widgets.reopening import reopen

OFFER = {offer.name: offer for offer in OFFERS}


@pytest.fixture
def told() -> Iterator[list[str]]:
    found: list[str] = []

    def hear(notification: object) -> None:
        found.append(str(notification.message))

    notification_manager.notification_ready.connect(hear)
    yield found
    notification_manager.notification_ready.disconnect(hear)


@pytest.fixture
def tracked(desk: Desk) -> Desk:
    """Two cells on all frames."""
    for yx in ((10, 12), (28, 12)):
        desk.session.add_click(None, 0, yx)
    desk.session.run()
    desk.select(1)
    return desk


@pytest.fixture
def exporter(tracked: Desk) -> Exporter:
    return Exporter(tracked)


def finish(desk: Desk, exporter: Exporter) -> None:
    assert desk.runner.pump(60, lambda: not exporter.state.busy)


# what there is to export ------------------------------------------------------------------------------------------


def test_everything_that_export_offers_has_a_button() -> None:
    assert {offer.name for offer in OFFERS} == {*FORMATS, SCRIPT}
    assert len({offer.text for offer in OFFERS}) == len(OFFERS)


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_a_name_without_a_suffix_gets_the_right_one(offer: exports.Offer, tmp_path: Path) -> None:
    from napari_sam2.export.formats import find_format

    path = offer.complete(tmp_path / "a name")
    assert path.parent == tmp_path and path.name.startswith("a name")
    if offer.name != SCRIPT:
        assert find_format(path).name == offer.name
    assert offer.complete(path) == path
    assert offer.suffix.lstrip("*") in offer.filter()


def test_tips_say_what_is_lost() -> None:
    assert "Not in it" in OFFER["tiff"].tip() and "mothers" in OFFER["tiff"].tip()
    assert "65,535" in OFFER["tiff"].tip()
    assert "everything but clicks" in OFFER["ome-zarr"].tip()


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_each_is_written(
    offer: exports.Offer, tracked: Desk, exporter: Exporter, told: list[str], tmp_path: Path
) -> None:
    path = suggested(offer, tracked.session, tracked.current)
    assert path.parent == tracked.session.path.parent
    assert why_not(offer, tracked.session, False, tracked.current) is None
    exporter.export(offer, path)
    assert exporter.state.busy
    finish(tracked, exporter)
    assert path.exists() and exporter.state.path == path
    assert told == [exporter.state.said] and path.name in told[0]


def test_only_the_chosen_cells(tracked: Desk, exporter: Exporter, tmp_path: Path) -> None:
    exporter.export(OFFER["tiff"], tmp_path / "one.tif", cells=[2])
    finish(tracked, exporter)
    assert set(np.unique(tifffile.imread(tmp_path / "one.tif")).tolist()) == {0, 2}


def test_the_script_makes_the_same_labels(tracked: Desk, exporter: Exporter, tmp_path: Path) -> None:
    exporter.export(OFFER[SCRIPT], tmp_path / "again.py")
    finish(tracked, exporter)
    text = (tmp_path / "again.py").read_text()
    compile(text, "again.py", "exec")
    assert text.count("add_click") == 2


# not now ----------------------------------------------------------------------------------------------------------


def test_why_not(desk: Desk) -> None:
    tiff, sheet = OFFER["tiff"], OFFER["sheet"]
    assert "image first" in why_not(tiff, None, False, None)
    assert "click on one" in why_not(tiff, desk.session, False, None)
    desk.session.add_click(None, 0, (10, 12))
    assert "pause or cancel" in why_not(tiff, desk.session, True, None)
    assert why_not(tiff, desk.session, False, None) is None
    assert "Choose a cell" in why_not(sheet, desk.session, False, None)
    assert why_not(sheet, desk.session, False, 1) is None


def test_mp4_needs_a_package(tracked: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not(OFFER["mp4"], tracked.session, False, 1) is None
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda name: None)
    assert "pip install imageio-ffmpeg" in why_not(OFFER["mp4"], tracked.session, False, 1)


# while it is written ----------------------------------------------------------------------------------------------


def test_not_on_the_main_thread(
    tracked: Desk, exporter: Exporter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[int] = []
    real = exports.export

    def watched(*args: object, **options: object) -> object:
        seen.append(threading.get_ident())
        return real(*args, **options)

    monkeypatch.setattr(exports, "export", watched)
    steps: list[tuple[int, int]] = []
    exporter.changed.connect(lambda s: steps.append((s.done, s.total)))
    exporter.export(OFFER["tiff"], tmp_path / "a.tif")
    finish(tracked, exporter)
    assert seen and seen[0] != threading.get_ident()
    done = [d for d, total in steps if total]
    assert done == sorted(done) and len(done) >= 12 and steps[-2][0] == steps[-2][1]


def test_cancelling_leaves_nothing(tracked: Desk, exporter: Exporter, told: list[str], tmp_path: Path) -> None:
    gate = threading.Event()
    labels = tracked.session.labels
    read = labels.read

    def slow(frame: int) -> object:
        assert gate.wait(20)
        return read(frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "read", slow)
        exporter.export(OFFER["tiff"], tmp_path / "out" / "a.tif")
        exporter.cancel()
        gate.set()
        finish(tracked, exporter)
    assert not any((tmp_path / "out").rglob("*"))
    assert "cancelled" in told[-1] and exporter.state.path is None


def test_one_at_a_time(tracked: Desk, exporter: Exporter, told: list[str], tmp_path: Path) -> None:
    exporter.export(OFFER["tiff"], tmp_path / "a.tif")
    exporter.export(OFFER["tiff"], tmp_path / "b.tif")
    assert "not finished yet" in told[0]
    finish(tracked, exporter)
    assert (tmp_path / "a.tif").exists() and not (tmp_path / "b.tif").exists()


def test_what_is_there_is_replaced_only_when_asked(
    tracked: Desk, exporter: Exporter, told: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"precious")
    exporter.export(OFFER["tiff"], path)
    finish(tracked, exporter)
    assert path.read_bytes() == b"precious" and "choose another name" in told[-1]
    exporter.export(OFFER["tiff"], path, overwrite=True)
    finish(tracked, exporter)
    assert path.read_bytes() != b"precious"


def test_closing_the_session_stops_its_export(tracked: Desk, exporter: Exporter, tmp_path: Path) -> None:
    gate, main = threading.Event(), threading.get_ident()
    labels = tracked.session.labels
    read = labels.read

    def slow(frame: int) -> object:
        assert threading.get_ident() == main or gate.wait(20)
        return read(frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "read", slow)
        exporter.export(OFFER["tiff"], tmp_path / "a.tif")
        tracked.close_session()
        gate.set()
        finish(tracked, exporter)
    assert not (tmp_path / "a.tif").exists()


def test_a_copy(tracked: Desk, exporter: Exporter, told: list[str], tmp_path: Path) -> None:
    exporter.copy(tmp_path / "copy")
    finish(tracked, exporter)
    assert exporter.state.path == tmp_path / "copy.sam2cells"
    assert "You go on working in the session itself" in told[-1]
    exporter.copy(tmp_path / "copy")
    finish(tracked, exporter)
    assert "another name" in told[-1]


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1234, "1.23 kB"), (5_600_000, "5.6 MB"), (7e9, "7 GB")]
)
def test_sizes(n: int, text: str) -> None:
    assert size(n) == text


# opening again ----------------------------------------------------------------------------------------------------


@pytest.fixture
def discs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "engine_maker", lambda *args: DiscEngine)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A session on a TIFF file, closed."""
    file = tmp_path / "movie.tif"
    tifffile.imwrite(file, movie(), photometric="minisblack", metadata={"axes": "TYX"})
    with new_session(
        file,
        tmp_path / "kept",
        model="discs",
        scale=(5, 0.5, 0.5),
        units=("minute", "um", "um"),
        make_engine=DiscEngine,
    ) as session:
        session.add_click(None, 0, (10, 12))
        session.run()
        return session.path


def pump(desk: Desk) -> None:
    assert desk.runner.pump(60, lambda: not desk.opening)


@pytest.mark.usefixtures("discs")
def test_reopened_with_its_movie(saved: Path, told: list[str]) -> None:
    viewer = ViewerModel()
    desk = desk_of(viewer)
    reopen(desk, saved / "session.json")
    pump(desk)
    assert desk.session.path == saved and list(desk.session.cells) == [1]
    image = desk.layers.image
    assert image.data.shape == (12, 40, 48)
    assert tuple(image.scale) == (5, 0.5, 0.5) and str(image.units[-1]) in ("um", "micrometer", "µm")
    assert "Opened kept.sam2cells with 1 cell." in told
    assert (np.asarray(image.data[3]) == movie()[3]).all()
    reopen(desk, saved)  # a second time shows what is open
    pump(desk)
    assert len(desk.sessions) == 1
    desk.close()


@pytest.mark.usefixtures("discs")
def test_reopened_on_the_layer_of_its_movie(saved: Path) -> None:
    viewer = ViewerModel()
    desk = desk_of(viewer)
    viewer.add_image(np.zeros((12, 40, 48), np.uint8), name="another")
    right = viewer.add_image(movie(), name="the movie")
    saved.with_name("movie.tif").unlink()  # where it was, it is not any more
    reopen(desk, saved)
    pump(desk)
    assert desk.layers.image is right
    desk.close()


@pytest.mark.usefixtures("discs")
def test_a_movie_that_is_gone_is_said(saved: Path, told: list[str]) -> None:
    desk = desk_of(ViewerModel())
    saved.with_name("movie.tif").unlink()
    reopen(desk, saved)
    pump(desk)
    assert desk.session is None and "Open the movie in napari" in told[-1]
    reopen(desk, saved.parent / "none.sam2cells")
    pump(desk)
    assert len(told) == 2
    desk.close()


@pytest.mark.usefixtures("discs")
def test_in_use_can_be_looked_at(saved: Path, told: list[str]) -> None:
    from napari_sam2.session import open_session

    desk = desk_of(ViewerModel())
    asked: list[str] = []
    with open_session(saved, make_engine=DiscEngine) as other:
        before = state(other)
        reopen(desk, saved)
        pump(desk)
        assert desk.session is None and "is open in" in told[-1]
        desk.confirm = lambda text: not asked.append(text)
        reopen(desk, saved)
        assert desk.runner.pump(60, lambda: desk.session is not None)
        assert "looking only" in asked[0]
        assert desk.session.document.read_only
        desk.act("delete", 1)
        assert state(other) == before
    desk.close()
