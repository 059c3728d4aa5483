"""``napari-sam2 export``: sessions and label files into every format, from the shell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_sam2.cli import app
from napari_sam2.cli.export import default_path, parse_options
from napari_sam2.export import export
from napari_sam2.export.read_segmentation import open_segmentation
from napari_sam2.session import new_session
from tests.export.example import example, example_labels

RUNNER = CliRunner()
pytestmark = pytest.mark.filterwarnings("ignore::napari_sam2.export.save.LossWarning")


def run(*arguments: object) -> tuple[int, str, str]:
    result = RUNNER.invoke(app, ["export", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def session(tmp_path: Path) -> Path:
    stub = pytest.importorskip("tests.session.stub")

    movie = np.random.default_rng(0).integers(0, 200, (stub.FRAMES, stub.HEIGHT, stub.WIDTH)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    path = tmp_path / "mine.sam2cells"
    with new_session(tmp_path / "movie.tif", path, make_engine=stub.DiscEngine) as made:
        made.add_click(1, 0, (10.0, 10.0))
        made.add_click(4, 2, (30.0, 20.0))
        made.run()
    return path


def test_a_session_goes_into_several_formats(session: Path) -> None:
    code, out, err = run(session, "--to", "ome-zarr", "--to", "measurements", "--to", "ctc")
    assert code == 0, err
    folder = session.parent
    assert out.split("\n")[:3] == [
        str(folder / "mine.ome.zarr"),
        str(folder / "mine.measurements.csv"),
        str(folder / "mine_export"),
    ]
    assert "mine_export cannot hold: object scores" in err
    assert "intensity_mean_ch0" in (folder / "mine.measurements.csv").read_text()
    found = open_segmentation(folder / "mine.ome.zarr")
    assert set(found.cells) == {1, 4}


def test_the_same_as_from_python(session: Path, tmp_path: Path) -> None:
    from napari_sam2.session import open_session

    assert run(session, "--out", tmp_path / "shell.tracks.csv")[0] == 0
    with open_session(session, read_only=True) as opened:
        export(opened, tmp_path / "python.tracks.csv")
    assert (tmp_path / "shell.tracks.csv").read_bytes() == (tmp_path / "python.tracks.csv").read_bytes()


def test_a_session_without_its_movie_has_no_intensities(session: Path) -> None:
    (session.parent / "movie.tif").unlink()
    code, _, err = run(session, "--to", "measurements")
    assert code == 0, err
    assert "--movie names the movie" in err
    assert "intensity" not in (session.parent / "mine.measurements.csv").read_text()


def test_label_files_are_converted(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "masks.tif", example_labels(), photometric="minisblack", metadata={"axes": "TYX"})
    assert run(tmp_path / "masks.tif", "--to", "ctc", "--out", tmp_path / "01_RES")[0] == 0
    assert (tmp_path / "01_RES" / "res_track.txt").exists()
    assert run(tmp_path / "01_RES", "--to", "sheet", "--option", "cell=900")[0] == 0
    assert (tmp_path / "01_RES.sheet.png").exists()
    source = export(example(), tmp_path / "a.ome.zarr").path
    assert run(source, "--out", tmp_path / "some.geff", "--cells", "3,4")[0] == 0
    assert set(np.unique(open_segmentation(tmp_path / "some.geff").frame(4))) == {0, 3, 4}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.tif"], "say what to write: --to FORMAT (ome-zarr,"),
        (["a.tif", "--to", "zip"], "there is no format 'zip'"),
        (["a.tif", "--to", "ctc", "--to", "geff", "--out", "x"], "--out names one file"),
        (["nowhere.tif", "--to", "ctc"], "nowhere.tif does not exist"),
        (["a.tif", "--to", "ctc", "--cells", "one"], "--cells one: write numbers"),
        (["a.tif", "--to", "ctc", "--option", "cell"], "--option cell: write NAME=VALUE"),
        (["a.tif", "--to", "ctc", "--option", "colour=3"], "no such option"),
        (["a.tif", "--to", "tiff", "--out", "a.tif"], "a.tif exists"),
    ],
)
def test_mistakes_are_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("a.tif", example_labels(), photometric="minisblack", metadata={"axes": "TYX"})
    code, out, err = run(*arguments)
    assert code == 1
    assert said in err
    assert out == ""
    assert [child.name for child in tmp_path.iterdir()] == ["a.tif"]


def test_names_and_options() -> None:
    assert default_path(Path("x/a.ome.zarr"), ".ome.zarr") == Path("x/a_export.ome.zarr")
    assert default_path(Path("x/a.sam2cells"), ".geff") == Path("x/a.geff")
    assert default_path(Path("x/run.01.sam2cells"), ".tracks.csv") == Path("x/run.01.tracks.csv")
    assert default_path(Path("x/run.01"), ".tracks.csv") == Path("x/run.01.tracks.csv")
    assert default_path(Path("x/a.coco.json"), ".tif") == Path("x/a.tif")
    assert default_path(Path("x/a.sam2cells"), ".tif", Path("x/a.tif").absolute()) == Path("x/a_export.tif")
    assert parse_options(["version=0.4", "cell=7", "fps=2.5", "tracks=False", "labels=a.zarr"]) == {
        "version": "0.4",
        "cell": 7,
        "fps": 2.5,
        "tracks": False,
        "labels": "a.zarr",
    }


@pytest.mark.parametrize("named", [False, True], ids=["default name", "--out"])
def test_the_movie_of_a_session_is_never_replaced(tmp_path: Path, named: bool) -> None:
    movie = tmp_path / "movie.tif"
    tifffile.imwrite(movie, np.zeros((2, 24, 32), np.uint8), photometric="minisblack", metadata={"axes": "TYX"})
    before = movie.read_bytes()
    new_session(movie, tmp_path / "movie.sam2cells").close()
    where = ["--out", str(movie)] if named else []
    code, _, err = run(str(tmp_path / "movie.sam2cells"), "--to", "tiff", "--overwrite", *where)
    assert movie.read_bytes() == before
    assert code == (1 if named else 0)
    assert "is never replaced" in err if named else (tmp_path / "movie_export.tif").exists()


def test_a_cell_that_is_nowhere_is_not_exported_as_nothing(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", example_labels(), photometric="minisblack", metadata={"axes": "TYX"})
    for cells in ("77", ""):
        code, _, err = run(str(tmp_path / "a.tif"), "--cells", cells, "--out", str(tmp_path / "b.tracks.csv"))
        assert code == 1 and ("77" in err or "numbers with commas" in err)
    assert not (tmp_path / "b.tracks.csv").exists()


@pytest.mark.parametrize("change", ["content", "shape"])
def test_another_movie_than_the_sessions_is_refused(session: Path, change: str) -> None:
    movie = tifffile.imread(session.parent / "movie.tif")
    other = session.parent / "other.tif"
    pixels = movie + 1 if change == "content" else movie[:, :-1]
    tifffile.imwrite(other, pixels, photometric="minisblack", metadata={"axes": "TYX"})
    code, _, err = run(session, "--movie", other, "--to", "measurements")
    assert code == 1 and "other.tif" in err and "not foreseen" not in err
    assert "other content" in " ".join(err.split()) if change == "content" else "the session's is" in err
    assert not (session.parent / "mine.measurements.csv").exists()


def test_the_movie_may_be_named_where_it_has_moved(session: Path) -> None:
    moved = (session.parent / "movie.tif").rename(session.parent / "moved.tif")
    code, _, err = run(session, "--movie", moved, "--to", "measurements")
    assert code == 0, err
    assert "intensity_mean_ch0" in (session.parent / "mine.measurements.csv").read_text()


@pytest.mark.parametrize("shape", [(6, 40, 90), (5, 48, 64)], ids=["frames of another size", "fewer frames"])
def test_the_movie_of_other_labels_is_refused(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    labels = np.zeros((6, 48, 64), np.uint16)
    labels[:, 5:20, 5:20] = 1
    for name, values in (("a.tif", labels), ("movie.tif", np.zeros(shape, np.uint8))):
        tifffile.imwrite(tmp_path / name, values, photometric="minisblack", metadata={"axes": "TYX"})
    out = tmp_path / "a.measurements.csv"
    code, _, err = run(str(tmp_path / "a.tif"), "--movie", str(tmp_path / "movie.tif"), "--out", str(out))
    assert code == 1 and "give the movie that they belong to" in " ".join(err.split())
    assert not out.exists()
