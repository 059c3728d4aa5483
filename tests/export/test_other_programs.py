"""Exported files opened by programs that are not ours. What each said, and its version, is printed (``pytest -rP``).

Some of these programs want older versions of packages than the other tests: they may live in an environment of their
own, named by NAPARI_SAM2_READERS (its Python), or in ``.venv-readers`` (``make readers``). Without any, what is in this
environment is asked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks.jf import score_folders
from napari_sam2.export import LossWarning, export
from tests.export.example import example, example_labels, make_image

REPOSITORY = Path(__file__).resolve().parents[2]
READERS_VARIABLE = "NAPARI_SAM2_READERS"
AREAS = {str(c): int((example_labels() == c).sum()) for c in (1, 2, 3, 4, 900)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossWarning)
        for name in (
            "cells.ome.zarr",
            "cells",
            "cells.geff",
            "cells.xml",
            "cells.coco.json",
            "cells.tif",
            "cells.ome.tif",
        ):
            export(example(), folder / name)
        export(example(), folder / "old.ome.zarr", version="0.4")
        for name, version in (("image.ome.zarr", "0.5"), ("image4.ome.zarr", "0.4")):
            make_image(folder / name, version)
            export(example(), folder / name / "labels" / "cells")
    for name, shift in (("truth", 0), ("found", 3)):
        cells = folder / "davis" / name / "cells"
        cells.mkdir(parents=True)
        for t, image in enumerate(np.roll(example_labels() % 256, shift, axis=2).astype(np.uint8)):
            Image.fromarray(np.kron(image, np.ones((5, 5), np.uint8))).save(
                folder / "davis" / name / "cells" / f"{t:05d}.png"
            )
    return folder


@pytest.fixture(scope="module")
def programs(folder: Path) -> dict[str, Any]:
    own = REPOSITORY / ".venv-readers" / "bin" / "python"
    python = os.environ.get(READERS_VARIABLE) or (str(own) if own.exists() else sys.executable)
    script = Path(__file__).with_name("other_programs.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([python, script, folder], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def answers(programs: dict[str, Any], program: str) -> dict[str, Any]:
    if program not in programs:
        pytest.skip(f"{program} is not installed (make readers)")
    print(program, programs[program]["version"])
    found: dict[str, Any] = programs[program]["answers"]
    return found


def test_ome_zarr_py_reads_labels(programs: dict[str, Any]) -> None:
    for name, found in answers(programs, "ome-zarr").items():
        assert found["areas"] == AREAS, name
        assert found["axes"] == ["t", "y", "x"]
        assert found["scale"] == [5.0, 0.5, 0.5]
        assert found["units"] == ["minute", "micrometer", "micrometer"]
        assert found["colours"] == 5
        assert found["properties"]["3"]["parent"] == 1
        assert found["properties"]["900"]["min-score"] == 0.5


def test_napari_ome_zarr_shows_labels_over_the_image(programs: dict[str, Any]) -> None:
    found = answers(programs, "napari-ome-zarr")
    for name in ("cells.ome.zarr", "old.ome.zarr"):
        (layer,) = found[name]
        assert (layer["kind"], layer["areas"], layer["scale"]) == ("labels", AREAS, [5.0, 0.5, 0.5])
    for name in ("image.ome.zarr", "image4.ome.zarr"):
        image, labels = found[name]
        assert (image["kind"], labels["kind"], labels["areas"]) == ("image", "labels", AREAS)
        assert image["scale"] == labels["scale"]
        assert [n for i, n in enumerate(image["shape"]) if i != 1] == labels["shape"]  # all axes but the channels


def test_validators_of_ome_zarr(programs: dict[str, Any]) -> None:
    assert set(answers(programs, "yaozarrs").values()) == {"ZarrGroup"}


def test_models_of_ome_zarr(programs: dict[str, Any]) -> None:
    found = answers(programs, "ome-zarr-models")
    assert found == {
        "cells.ome.zarr": "ImageLabel",
        "old.ome.zarr": "ImageLabel",
        "image.ome.zarr": "Image",
        "image.ome.zarr/labels/cells": "ImageLabel",
    }


def test_geff_validates_graph_tracks_and_labels(programs: dict[str, Any]) -> None:
    found = answers(programs, "geff")["cells.geff"]
    assert (found["nodes"], found["edges"]) == (19, 16)
    assert found["axes"] == [
        ["t", "time", "frame", 5.0, "minute"],
        ["y", "space", "pixel", 0.5, "micrometer"],
        ["x", "space", "pixel", 0.5, "micrometer"],
    ]
    assert found["labels"] == [True, True, []]
    assert {"area", "score", "iou", "state", "cell"} <= set(found["properties"])


def test_trackmate_xml_is_read_by_others(programs: dict[str, Any]) -> None:
    found = answers(programs, "geff (TrackMate)")["cells.xml"]
    assert (found["nodes"], found["edges"], found["cells"]) == (19, 16, ["1", "2", "3", "4", "900"])
    assert answers(programs, "pytrackmate")["cells.xml"]["spots"] == 19
    assert answers(programs, "pycellin")["cells.xml"] == {"lineages": 3, "cells": 19}


def test_traccuracy_scores_ctc(programs: dict[str, Any]) -> None:
    assert answers(programs, "traccuracy")["cells"] == {"nodes": 19, "TRA": 1.0, "divisions": 1}


def test_pycocotools_decodes_masks(programs: dict[str, Any]) -> None:
    assert answers(programs, "pycocotools")["cells.coco.json"] == AREAS


def test_vos_benchmark_measures_the_same_j_and_f(programs: dict[str, Any], folder: Path) -> None:
    found = answers(programs, "vos-benchmark")["davis"]
    ours = score_folders(folder / "davis" / "truth", folder / "davis" / "found")
    # objects that come later are judged there from then on, here (as by DAVIS itself) on all frames
    for number in (2, 900 % 256):
        assert [100 * score for score in ours.of["cells", number]] == pytest.approx(found[str(number)], abs=1e-9)


def test_ctc_metrics_validates(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate = pytest.importorskip("ctc_metrics.scripts.validate")
    assert validate.validate_sequence(str(folder / "cells"), threads=1) == {"Valid": 1}


@pytest.mark.parametrize("name", ["cells.tif", "cells.ome.tif"])
def test_tifffile_reads_stacks(folder: Path, name: str) -> None:
    with tifffile.TiffFile(folder / name) as tif:
        assert tif.series[0].axes == "TYX"
        assert tif.pages[0].compression.name == "ADOBE_DEFLATE"
        np.testing.assert_array_equal(tif.asarray(), example_labels())


MACRO = """
setBatchMode(true);
open(getArgument());
getDimensions(width, height, channels, slices, frames);
getVoxelSize(w, h, d, unit);
print("found", width, height, channels, slices, frames, bitDepth(), w, h, Stack.getFrameInterval());
Stack.setFrame(3);
print("pixel", getPixel(15, 16));
eval("script", "System.exit(0);");
"""


def test_imagej_opens_the_tiff(folder: Path, tmp_path: Path) -> None:
    jar = Path(os.environ.get("NAPARI_SAM2_IMAGEJ", "/usr/share/java/ij.jar"))
    if not (jar.exists() and shutil.which("java") and shutil.which("xvfb-run")):
        pytest.skip("ImageJ (Debian: imagej), java or xvfb-run is not here")
    (tmp_path / "macro.ijm").write_text(MACRO)
    command = [
        "xvfb-run",
        "-a",
        "java",
        "-cp",
        jar,
        "ij.ImageJ",
        "-batch",
        tmp_path / "macro.ijm",
        folder / "cells.tif",
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    assert re.search(r"found 64 48 1 1 6 16 0\.5 0\.5 5\b", said), said
    assert "pixel 1" in said


def test_ffmpeg_decodes_the_movies(tmp_path: Path) -> None:
    probe = shutil.which("ffprobe")
    if probe is None:
        pytest.skip("ffprobe is not here")
    pytest.importorskip("imageio_ffmpeg")
    for name, codec in (("a.mp4", "h264"), ("a.gif", "gif")):
        export(example(), tmp_path / name, look=None)
        command = [
            probe,
            "-v",
            "error",
            "-count_frames",
            "-show_entries",
            "stream=codec_name,nb_read_frames",
            "-of",
            "csv=p=0",
        ]
        said = subprocess.run([*command, tmp_path / name], capture_output=True, text=True, check=True).stdout
        assert said.strip() == f"{codec},6"
