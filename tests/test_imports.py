"""Which room may import which, and what importing the package costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "napari_sam2"

#: Room -> the other rooms it may import. A new room needs a line here; think about its direction first.
ARROWS: dict[str, set[str]] = {
    "network": set(),
    "weights": {"network"},
    "tracking": {"network", "weights"},
    "export": {"tracking"},
    "session": {"tracking", "weights", "export"},
    "samples": {"weights", "training", "export"},
    "doctor": {"weights", "tracking"},
    "logfile": set(),
    "training": {"network", "weights", "tracking", "export"},
    "cli": {"tracking", "weights", "export", "session", "training", "samples", "doctor", "logfile"},
    "widgets": {"session", "tracking", "weights", "export", "training", "samples", "logfile"},
}
#: Imports against the arrow that are fine inside a function, and only there: ``tracker.save`` needs the writers.
ONLY_INSIDE_FUNCTIONS: dict[str, set[str]] = {"tracking": {"export"}}
GUI_MODULES = {"napari", "qtpy", "magicgui", "superqt", "PyQt5", "PyQt6", "PySide2", "PySide6", "vispy"}
ROOMS_WITH_GUI = {"widgets"}


def room_of(path: Path) -> str:
    """``cli.py`` and ``cli_track.py`` are the room ``cli``; the files of a folder are the room of that name."""
    first = path.relative_to(PACKAGE).parts[0]
    stem = first.removesuffix(".py")
    return "cli" if stem.startswith("cli_") else stem


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported_modules(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield (absolute dotted name, whether the import stands inside a function) for each import of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["napari_sam2", *path.relative_to(PACKAGE).parts[:-1]]

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else []
                module = ".".join([*base, *((child.module or "").split(".") if child.module else [])])
                yield module, inside
                yield from ((f"{module}.{alias.name}", inside) for alias in child.names)
            yield from walk(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    yield from walk(tree, False)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in ARROWS, f"{room} is a new room: give it a line in ARROWS"
    for module, inside in imported_modules(path):
        parts = module.split(".")
        if room not in ROOMS_WITH_GUI:
            assert parts[0] not in GUI_MODULES, f"{path.name} imports {module}: the engine knows no GUI"
        if parts[0] != "napari_sam2" or len(parts) < 2:
            continue
        target = "cli" if parts[1].startswith("cli_") else parts[1]
        if target == room or target not in ARROWS:  # its own room, or a name of the scripting face
            continue
        allowed = ARROWS[room] | (ONLY_INSIDE_FUNCTIONS.get(room, set()) if inside else set())
        assert target in allowed, f"{path.relative_to(PACKAGE)} imports {module}: {room} may import {sorted(allowed)}"


def test_the_arrows_have_no_circle() -> None:
    order: list[str] = []
    rest = {room: set(targets) for room, targets in ARROWS.items()}
    while rest:
        free = sorted(room for room, targets in rest.items() if targets <= set(order))
        assert free, f"a circle among {sorted(rest)}"
        order += free
        rest = {room: targets for room, targets in rest.items() if room not in free}


def test_relative_imports_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of imports itself: without it the test above would pass on anything."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "network").mkdir()
    file = tmp_path / "network" / "a.py"
    file.write_text("from ..tracking import movie\nfrom . import b\ndef f():\n    import napari.layers\n")
    assert set(imported_modules(file)) == {
        ("napari_sam2.tracking", False),
        ("napari_sam2.tracking.movie", False),
        ("napari_sam2.network", False),
        ("napari_sam2.network.b", False),
        ("napari.layers", True),
    }


@pytest.mark.parametrize(
    ("statement", "barred"),
    [
        ("import napari_sam2", {"torch", "numpy", "zarr", *GUI_MODULES}),
        ("import napari_sam2; dir(napari_sam2); napari_sam2.__version__", {"torch", *GUI_MODULES}),
        ("import napari_sam2.session.run", {"torch", *GUI_MODULES}),  # sessions are looked at without a network
    ],
)
def test_importing_the_package_is_light(
    statement: str, barred: set[str], record_property: Callable[[str, object], None]
) -> None:
    program = (
        "import json, sys, time\n"
        "before = time.perf_counter()\n"
        f"{statement}\n"
        "print(json.dumps([time.perf_counter() - before, sorted(m.split('.')[0] for m in sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, modules = json.loads(done.stdout)
    record_property("import_seconds", seconds)
    print(f"{statement}: {seconds:.3f} s")  # reported, never asserted: machines differ
    assert not barred & set(modules)


def test_public_names_are_there() -> None:
    import napari_sam2

    for name in napari_sam2.__all__:
        assert getattr(napari_sam2, name) is not None


def test_unknown_names_are_attribute_errors() -> None:
    import napari_sam2

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = napari_sam2.no_such_name
    assert {"CellTracker", "list_models"} <= set(dir(napari_sam2))
