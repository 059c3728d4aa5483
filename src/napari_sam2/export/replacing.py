"""What may be replaced by an output, and what never is."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path


def refuse_to_overwrite(path: Path, overwrite: bool) -> None:
    """Raise FileExistsError if something is there that must not, or cannot safely, be replaced."""
    if not path.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or overwrite")
    if path.is_dir() and not _is_output_folder(path):
        raise FileExistsError(f"{path} is a folder of other things: it is not replaced. Choose another name")


def refuse_to_lose(path: Path, movie: Path | None) -> None:
    """Raise FileExistsError if a movie, or a part of it, would be lost by writing."""
    lost = "" if movie is None else what_is_lost(path, movie)
    if lost:
        raise FileExistsError(f"{path} is {lost} and is never replaced: choose another name")


def what_is_lost(path: Path, movie: Path) -> str:
    """Say what a path is of a movie that would be lost if it were replaced; empty where it is nothing of it.

    Parameters
    ----------
    path
        Where something is to be written.
    movie
        File, folder or pattern of the movie.
    """
    if not path.exists():
        return ""
    wanted, there = path.resolve(), movie.resolve()
    # a disk may take two spellings for one name
    if wanted == there or wanted in there.parents or (there.exists() and wanted.samefile(there)):
        return "the movie itself, or holds it,"
    if _is_frame(path, movie):
        return f"a frame of the movie {movie}"
    if there in wanted.parents and _is_zarr(there) and wanted.relative_to(there).parts[0] != "labels":
        return f"a part of the movie {movie}"
    return ""


def remove_output(path: Path) -> None:
    """Remove an earlier output: a file, or a folder that holds nothing else."""
    if path.is_dir():
        refuse_to_overwrite(path, overwrite=True)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_frame(path: Path, movie: Path) -> bool:
    """Whether a file is one of the images that a folder, or a pattern, gives as a movie."""
    from napari_sam2.export.read import IMAGE_SUFFIXES

    is_pattern = any(sign in movie.name for sign in "*?[")
    folder = movie.parent if is_pattern else movie
    if not folder.is_dir() or path.parent.resolve() != folder.resolve() or path.suffix.lower() not in IMAGE_SUFFIXES:
        return False
    return not is_pattern or fnmatch(path.name, movie.name)


def _is_output_folder(path: Path) -> bool:
    """Whether a folder is labels or a graph in zarr, empty, or a Cell Tracking Challenge result, and nothing else."""
    if _is_zarr(path):
        return _is_output_zarr(path)
    return all(
        (child.name.startswith("mask") and child.suffix == ".tif") or child.name == "res_track.txt"
        for child in path.iterdir()
    )


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _is_output_zarr(path: Path) -> bool:
    """Whether a zarr is what is written here: not a movie, and not a session."""
    for name, key in (("zarr.json", "attributes"), (".zattrs", None)):
        try:
            found = json.loads((path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        attributes = found.get(key) or {} if key else found
        ome = attributes.get("ome")
        if "image-label" in (ome if isinstance(ome, dict) else attributes) or "geff" in attributes:
            return True
    return False
