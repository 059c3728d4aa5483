"""The commands through typer's own runner: exit codes, messages, files. The tracker is a stand-in here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner, Result

from napari_sam2.cli import app
from napari_sam2.cli.console import DEBUG_VARIABLE, duration
from napari_sam2.cli.track import parse_pair, parse_span
from napari_sam2.export import open_movie

FRAMES, HEIGHT, WIDTH = 6, 20, 30
PROMPTS = "cell,frame,kind,y,x,y2,x2\n1,0,click,5,5,,\n2,0,box,10,10,15,20\n"


@dataclass
class Frame:
    frame: int
    labels: np.ndarray


class StandIn:
    """Paints squares where cells were clicked; takes what CellTracker takes."""

    stop_after: int | None = None
    error: BaseException = KeyboardInterrupt()
    made: list[StandIn] = []

    def __init__(
        self, movie: Any, model: str, device: str, mode: str = "auto", cell_diameter: float | None = None
    ) -> None:
        self.movie, self.model, self.device = movie, model, device
        self.mode, self.cell_diameter = mode, cell_diameter or 12.0
        self.clicks: dict[int, tuple[float, float]] = {}
        self.calls: list[Any] = []
        StandIn.made.append(self)

    def add_clicks(self, cell: int, frame: int, yx: list[tuple[float, float]], foreground: list[bool]) -> None:
        self.clicks[cell] = yx[0]

    def add_box(self, cell: int, frame: int, box: tuple[tuple[float, float], tuple[float, float]]) -> None:
        self.clicks[cell] = box[0]

    def estimate(self, direction: str = "both", frames: tuple[int, int] | None = None) -> str:
        return f"about 3 s {direction} {frames}"

    def track(self, direction: str = "both", frames: tuple[int, int] | None = None) -> Iterator[Frame]:
        self.calls.append((direction, frames))
        for t in range(*(frames or (0, len(self.movie)))):
            if t == self.stop_after:
                raise self.error
            labels = np.zeros(self.movie.frame_shape, np.int32)
            for cell, (y, x) in self.clicks.items():
                labels[int(y) : int(y) + 4, int(x) : int(x) + 4] = cell
            yield Frame(t, labels)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr("napari_sam2.cli.track.make_tracker", StandIn)
    monkeypatch.setattr("napari_sam2.cli.demo.make_tracker", StandIn)
    monkeypatch.setattr(StandIn, "made", [])
    return StandIn


@pytest.fixture
def movie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    frames = np.random.default_rng(0).integers(0, 999, (FRAMES, HEIGHT, WIDTH)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", frames)
    (tmp_path / "prompts.csv").write_text(PROMPTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "movie.tif"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def track(*more: str, out: str = "cells.ome.zarr") -> Result:
    return run("track", "movie.tif", "--prompts", "prompts.csv", "--out", out, *more)


# --- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], ["demo", "track", "models"]),
        (["track"], ["1,0,click,120,84.5,,", "napari-sam2 track movie.tif", "Ctrl-C"]),
        (["demo"], ["napari-sam2 demo --kind phase", "truth"]),
        (["models"], ["napari-sam2 models download sam2.1-tiny"]),
    ],
)
def test_help_teaches_by_example(arguments: list[str], says: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    for words in says:
        assert words in result.output


def test_help_loads_neither_torch_nor_a_window() -> None:
    program = (
        "import sys, json\n"
        "from napari_sam2.cli import app\n"
        "try:\n    app(['track', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert not modules & {"torch", "qtpy", "napari", "scipy", "zarr", "skimage"}


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.startswith("napari-sam2 ")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["track"], ["track", "a.tif"], ["demo", "--frames", "1"], ["track", "--direction", "up"]],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


# --- track ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["cells.ome.zarr", "cells.tif", "cells"])
def test_track_writes_what_the_tracker_found(movie: Path, stand_in: type[StandIn], out: str) -> None:
    result = track(out=out)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == out
    assert "6 frames in" in result.stderr
    with open_movie(f"{out}/mask*.tif" if out == "cells" else out) as opened:
        assert opened.data.shape == (FRAMES, HEIGHT, WIDTH)
        assert (opened.data[3][5:9, 5:9] == 1).all()
        assert (opened.data[3][10:14, 10:14] == 2).all()
    assert StandIn.made[0].model == "cell"
    assert StandIn.made[0].calls == [("both", None)]


def test_track_never_writes_over_its_movie(movie: Path, stand_in: type[StandIn]) -> None:
    before = movie.read_bytes()
    result = track("--overwrite", out="movie.tif")
    assert result.exit_code == 1
    assert "movie.tif is the movie itself" in result.stderr
    assert movie.read_bytes() == before and not stand_in.made


@pytest.mark.parametrize(
    ("direction", "frames", "says"),
    [
        ("forward", "0:2", "on frame 3, which does not lead forward into the frames 0 to 1: track backward or in both"),
        (
            "backward",
            "4:6",
            "on frame 3, which does not lead backward into the frames 4 to 5: track forward or in both",
        ),
    ],
)
def test_track_says_where_there_is_nothing_to_track(
    movie: Path, stand_in: type[StandIn], direction: str, frames: str, says: str
) -> None:
    Path("prompts.csv").write_text("cell,frame,kind,y,x\n1,3,click,5,5\n")
    result = track("--direction", direction, "--frames", frames)
    assert result.exit_code == 1
    assert says in " ".join(result.stderr.split())
    assert not stand_in.made and not Path("cells.ome.zarr").exists()
    assert track("--frames", frames).exit_code == 0


def test_options_reach_the_tracker(movie: Path, stand_in: type[StandIn]) -> None:
    more = [
        "--model",
        "sam2.1-tiny",
        "--device",
        "cpu",
        "--direction",
        "forward",
        "--frames",
        "2:5",
        "--limits",
        "0,500",
        "--mode",
        "exact",
        "--cell-diameter",
        "17",
    ]
    result = track(*more, "--channel", "0")
    assert result.exit_code == 0, result.output
    (made,) = StandIn.made
    assert (made.model, made.device) == ("sam2.1-tiny", "cpu")
    assert (made.mode, made.cell_diameter) == ("exact", 17.0)
    assert made.calls == [("forward", (2, 5))]
    assert "17 pixels: about 3 s forward (2, 5)" in result.stderr
    assert made.movie.limits == ((0.0, 500.0),)
    assert made.movie.channels == (0,)


def test_an_estimate_tracks_nothing(movie: Path, stand_in: type[StandIn]) -> None:
    result = track("--estimate")
    assert result.exit_code == 0, result.output
    assert "about 3 s" in result.stderr
    assert StandIn.made[0].calls == [] and not Path("cells.tif").exists()


def test_scale_is_carried_over(movie: Path, stand_in: type[StandIn]) -> None:
    frames = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint16)
    metadata = {"axes": "TYX", "unit": "um", "finterval": 60.0}
    tifffile.imwrite(movie, frames, imagej=True, resolution=(2, 2), metadata=metadata)
    assert track().exit_code == 0
    assert open_movie("cells.ome.zarr").scale == pytest.approx({"T": 60.0, "Y": 0.5, "X": 0.5})


def test_ctrl_c_keeps_finished_frames_and_says_where(
    movie: Path, stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StandIn, "stop_after", 4)
    result = track()
    assert result.exit_code == 130
    assert "4 finished frames are in cells.unfinished.ome.zarr" in result.stderr
    assert not Path("cells.ome.zarr").exists()
    kept = open_movie("cells.unfinished.ome.zarr").data
    assert kept[3].any()
    assert not kept[4].any()


@pytest.mark.parametrize(
    ("error", "says"),
    [(ValueError("the mend"), "Error: the mend"), (KeyError("x"), "not foreseen")],
)
def test_errors_while_tracking(
    movie: Path, stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    monkeypatch.setattr(StandIn, "stop_after", 1)
    monkeypatch.setattr(StandIn, "error", error)
    result = track()
    assert result.exit_code == 1
    assert says in result.stderr
    assert "1 finished frame is in" in result.stderr
    assert "Traceback" not in result.output
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    assert type(track("--overwrite").exception) is type(error)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["track", "none.tif", "--prompts", "prompts.csv", "--out", "a.tif"], "none.tif does not exist"),
        (["track", "movie.tif", "--prompts", "none.csv", "--out", "a.tif"], "none.csv does not exist"),
        (["track", "movie.tif", "--prompts", "prompts.csv", "--out", "a.xyz"], "OME-Zarr labels"),
        (["track", "movie.tif", "--prompts", "prompts.csv", "--out", "movie.tif"], "is the movie itself"),
        (["track", "movie.tif", "--prompts", "prompts.csv", "--out", "a.tif", "--frames", "3"], "write START:STOP"),
        (["track", "movie.tif", "--prompts", "prompts.csv", "--out", "a.tif", "--limits", "3"], "write LOW,HIGH"),
        (["track", "movie.tif", "--prompts", "prompts.csv", "--out", "a.tif", "--channel", "1"], "no channel 1"),
    ],
)
def test_mistakes_are_one_sentence_before_any_model_is_loaded(
    movie: Path, stand_in: type[StandIn], arguments: list[str], says: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.count("Error:") == 1
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert StandIn.made == []
    assert sorted(path.name for path in Path().iterdir()) == ["movie.tif", "prompts.csv"]


def test_a_wrong_line_of_the_table_is_named(movie: Path, stand_in: type[StandIn]) -> None:
    Path("prompts.csv").write_text(PROMPTS + "3,9,click,1,1\n")
    result = track()
    assert result.exit_code == 1
    assert "prompts.csv, line 4: there is no frame 9, the movie has frames 0 to 5" in result.stderr


def test_outputs_are_replaced_only_when_asked(movie: Path, stand_in: type[StandIn]) -> None:
    assert track().exit_code == 0
    assert "exists" in track().stderr
    assert track("--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("text", "span"), [(None, None), ("2:5", (2, 5)), (":5", (0, 5)), ("2:", (2, 6)), (":", (0, 6))]
)
def test_spans(text: str | None, span: tuple[int, int] | None) -> None:
    assert parse_span(text, 6) == span


@pytest.mark.parametrize("text", ["5", "a:b", "5:2", "0:7", "-2:3", "1:2:3"])
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="--frames"):
        parse_span(text, 6)


def test_pairs() -> None:
    assert parse_pair("1,2.5", "--limits") == (1.0, 2.5)
    with pytest.raises(ValueError, match="--limits"):
        parse_pair("1,2,3", "--limits")


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.123, 9.9, 65, 185)] == ["0.12 s", "9.9 s", "65 s", "3 min 5 s"]


# --- demo -----------------------------------------------------------------------------------------------------------


class Perfect(StandIn):
    """Yields the demo's own truth, so that the score is known."""

    def track(self, direction: str = "both", frames: tuple[int, int] | None = None) -> Iterator[Frame]:
        truth = tifffile.imread("out/truth.tif")
        for t in range(len(truth)):
            yield Frame(t, truth[t].astype(np.int32))


def test_demo_writes_everything_and_scores(
    tmp_path: Path, stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_sam2.cli.demo.make_tracker", Perfect)
    monkeypatch.chdir(tmp_path)
    arguments = ["demo", "--out", "out", "--frames", "3", "--size", "128"]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "Mean IoU with the truth: 1.000" in result.stdout
    assert "(100%)" in result.stdout
    assert "napari-sam2 track out/movie.tif --prompts out/prompts.csv" in result.stdout
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["cells.ome.zarr", "movie.tif", "prompts.csv", "strip.png", "truth.tif"]
    with Image.open("out/strip.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[0] > 380
    assert pixels.shape[1] > 3 * 380
    assert (np.ptp(pixels.astype(int), axis=-1) > 100).sum() > 500  # coloured outlines on a grey image
    again = run(*arguments)
    assert again.exit_code == 1
    assert "holds an earlier demo" in again.stderr
    assert run(*arguments, "--overwrite").exit_code == 0


def test_demo_refuses_unknown_kinds(tmp_path: Path, stand_in: type[StandIn]) -> None:
    result = run("demo", "--out", str(tmp_path / "out"), "--kind", "unicorns")
    assert result.exit_code == 1
    assert "nuclei" in result.stderr


# --- models ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["models"], ["models", "list"]])
def test_models_are_listed(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    for word in ("cell", "sam2.1-tiny", "sam2-large", "Apache-2.0"):
        assert word in result.stdout


def test_downloads_show_progress_and_print_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from napari_sam2.weights import DownloadProgress

    def fake(name: str, progress: Any) -> Path:
        progress(DownloadProgress(name, "downloading", 5, 10))
        progress(DownloadProgress(name, "done", 10, 10))
        return tmp_path / f"{name}.pt"

    monkeypatch.setattr("napari_sam2.cli.models.download_model", fake)
    result = run("models", "download", "sam2.1-tiny")
    assert result.exit_code == 0
    assert result.stdout.strip() == str(tmp_path / "sam2.1-tiny.pt")


def test_unknown_models_name_the_known() -> None:
    result = run("models", "download", "sam9")
    assert result.exit_code == 1
    assert "sam2.1-tiny" in result.stderr
