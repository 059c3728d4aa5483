"""What is published: the wheel and the source distribution, what is in them, and whether they install and run.

The files are those of the folder that NAPARI_SAM2_DIST names (``make package`` builds them there), else they are built
here. Making a fresh environment takes minutes and gigabytes, so that is done for ``make package`` only.
"""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST_VARIABLE = "NAPARI_SAM2_DIST"
MOST_BYTES = 25_000_000
INSTALLING = 3600.0
"""Seconds after which an installation counts as hung; the gigabytes come over whatever line there is."""
WEIGHTS = "napari_sam2/weights/data/cell.safetensors"

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path = ROOT, timeout: float = 900, **variables: str) -> str:
    """Run a program and return what it printed; where it fails, all of that is in the message."""
    barred = ("PYTHONPATH", "NAPARI_SAM2", "VIRTUAL_ENV", "COV_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(barred)}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**environment, **variables}, timeout=timeout, check=False,
        capture_output=True, text=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get(DIST_VARIABLE)
    if named:
        return (ROOT / named).resolve()
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("napari_sam2-*.whl")
    return found


@pytest.fixture(scope="module")
def sdist(dist: Path) -> Path:
    (found,) = dist.glob("napari_sam2-*.tar.gz")
    return found


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(file.read(name))


def test_they_are_small(wheel: Path, sdist: Path) -> None:
    for path in (wheel, sdist):
        assert path.stat().st_size < MOST_BYTES, path.name


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        weights = file.getinfo(WEIGHTS)
        assert weights.file_size == (ROOT / "src" / WEIGHTS).stat().st_size
    assert {"napari_sam2/napari.yaml", "napari_sam2/py.typed"} <= set(names)
    assert {name.split("/")[0].removesuffix(".dist-info").split("-")[0] for name in names} == {"napari_sam2"}
    wrong = [name for name in names if "test" in name.split("/") or "tests" in name.split("/") or ".pyc" in name]
    assert not wrong
    there = {str(path.relative_to(ROOT / "src").as_posix()) for path in (ROOT / "src").rglob("*.py")}
    if DIST_VARIABLE not in os.environ:  # built just now, from these files
        assert there <= set(names)
    licences = [name for name in names if ".dist-info/licenses/" in name]
    assert {Path(name).name for name in licences} >= {"LICENSE", "NOTICE"}


def test_what_the_wheel_says_about_itself(wheel: Path) -> None:
    said = metadata(wheel)
    assert said["Name"] == "napari-sam2"
    assert said["License-Expression"] == "BSD-3-Clause"
    assert said["Requires-Python"] == ">=3.11"
    assert "Framework :: napari" in said.get_all("Classifier", [])
    assert said["Description-Content-Type"] == "text/markdown"
    required = [line for line in said.get_all("Requires-Dist", []) if "extra ==" not in line]
    for barred in ("pyqt", "pyside", "napari", "qtpy", "magicgui"):
        assert not [line for line in required if line.lower().startswith(barred)], "the engine needs no window"
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith("entry_points.txt")]
        entries = file.read(name).decode()
    assert "napari-sam2 = napari_sam2.cli:app" in entries
    assert "[napari.manifest]" in entries and "napari-sam2 = napari_sam2:napari.yaml" in entries


def test_the_description_leads_nowhere_wrong(wheel: Path, sdist: Path) -> None:
    """As PyPI renders it: every picture and link has a whole address, and both files say the same."""
    pytest.importorskip("comrak", reason="renders Markdown as PyPI does: pip install 'readme-renderer[md]'")
    from readme_renderer.markdown import render

    text = str(metadata(wheel).get_payload(decode=True), "utf-8")
    page = render(text)
    assert page is not None and "napari-sam2" in page and len(page) > 5000
    targets = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(targets) > 5
    assert not [target for target in targets if not target.startswith(("https://", "#"))]
    with tarfile.open(sdist) as file:
        (name,) = [name for name in file.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")]
        inside = file.extractfile(name)
        assert inside is not None
        assert str(email.message_from_binary_file(inside).get_payload(decode=True), "utf-8") == text


def test_the_source_distribution_can_be_worked_with(sdist: Path) -> None:
    with tarfile.open(sdist) as file:
        names = {name.split("/", 1)[1] for name in file.getnames() if "/" in name}
    for wanted in (
        "pyproject.toml", "README.md", "LICENSE", "NOTICE", "Makefile", "CONTRIBUTING.md", "SECURITY.md", ".ci/run",
        ".ci/description.py", f"src/{WEIGHTS}", "tests/conftest.py", "benchmarks/quality.py", "mkdocs.yml",
    ):  # fmt: skip
        assert wanted in names, wanted
    assert not [name for name in names if ".venv" in name or "__pycache__" in name or name.startswith("shared")]


def test_the_index_would_take_them(wheel: Path, sdist: Path) -> None:
    pytest.importorskip("twine")
    pytest.importorskip("check_wheel_contents")
    tools = Path(sys.executable).parent
    run(tools / "twine", "check", "--strict", wheel, sdist)
    run(tools / "check-wheel-contents", wheel)


def test_the_checks_can_fail(wheel: Path, tmp_path: Path) -> None:
    """A wheel with a folder of tests beside the package is refused by the same command."""
    pytest.importorskip("check_wheel_contents")
    bad = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as good, zipfile.ZipFile(bad, "w") as file:
        for name in good.namelist():
            added = b"tests/test_x.py,,\n" if name.endswith(".dist-info/RECORD") else b""
            file.writestr(name, good.read(name) + added)
        file.writestr("tests/test_x.py", "x = 1\n")
    with pytest.raises(AssertionError, match="W009|W101|W201|W005"):
        run(Path(sys.executable).parent / "check-wheel-contents", bad)


def test_nothing_is_in_the_source_distribution_that_is_not_in_the_repository(sdist: Path) -> None:
    """Pictures of movies that must not be passed on lie beside the code on a developer's disk."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0 or DIST_VARIABLE in os.environ:
        pytest.skip("no repository to compare with")
    untracked = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    known = {*listed.stdout.splitlines(), *untracked.stdout.splitlines(), "PKG-INFO"}
    with tarfile.open(sdist) as file:
        names = {member.name.split("/", 1)[1] for member in file.getmembers() if member.isfile()}
    assert names - known == set()


# --- a fresh environment ----------------------------------------------------------------------------------------------

fresh_only = pytest.mark.skipif(
    DIST_VARIABLE not in os.environ, reason="makes a fresh environment, minutes and gigabytes: make package"
)

DOCK = """
import sys
import napari
from npe2 import PluginManager
import napari_sam2

assert sys.prefix in napari_sam2.__file__, napari_sam2.__file__
viewer = napari.Viewer()
manager = PluginManager.instance()
offered = manager.get_manifest("napari-sam2").contributions.widgets or []
assert offered, "the plugin offers no dock"
dock, widget = viewer.window.add_plugin_dock_widget("napari-sam2", offered[0].display_name)
viewer.open_sample("napari-sam2", "nuclei")
from qtpy.QtWidgets import QApplication
for _ in range(50):
    QApplication.processEvents()
assert dock.isVisible() and widget.isVisible() and len(viewer.layers) >= 1
print("dock:", offered[0].display_name, type(widget).__name__, [layer.name for layer in viewer.layers])
viewer.close()
"""


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a new environment, with the wheel, napari and a Qt in it."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    run(
        ROOT / ".ci" / "environment",
        folder,
        "torch",
        PYTHON=getattr(sys, "_base_executable", sys.executable),
        timeout=INSTALLING,
    )
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    wanted = (f"{wheel}[gui]", "PyQt6")
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-compile", *wanted, timeout=INSTALLING)
    return programs


def in_fresh(fresh: Path, home: Path, *command: str | Path, wrapped: Sequence[str] = ()) -> str:
    return run(*wrapped, *command, cwd=home, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"), NO_COLOR="1")


@fresh_only
@pytest.mark.fresh
def test_the_demo_runs_from_the_wheel(fresh: Path, tmp_path: Path) -> None:
    said = in_fresh(fresh, tmp_path, fresh / "napari-sam2", "demo", "--frames", "6", "--out", "demo")
    assert (tmp_path / "demo" / "cells.ome.zarr").is_dir() and (tmp_path / "demo" / "strip.png").is_file()
    print(said)


@fresh_only
@pytest.mark.fresh
def test_the_doctor_finds_it_well(fresh: Path, tmp_path: Path) -> None:
    said = in_fresh(fresh, tmp_path, fresh / "napari-sam2", "doctor")
    assert "cell: " in said and "checksum right" in said
    assert "PROBLEM" not in said


@fresh_only
@pytest.mark.fresh
@pytest.mark.gui
def test_the_dock_opens_from_the_wheel(fresh: Path, tmp_path: Path) -> None:
    wrapped = [] if os.name == "nt" or sys.platform == "darwin" else ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
    (tmp_path / "dock.py").write_text(DOCK)
    said = in_fresh(fresh, tmp_path, fresh / "python", "dock.py", wrapped=wrapped)
    assert "dock:" in said and "Dividing nuclei" in said
    assert "Traceback" not in said
