"""Finished parts on disk, so that an interrupted run goes on where it was and a longer one repeats nothing."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks._machine import REPOSITORY
from benchmarks._quality.trackers import Method
from benchmarks._quality.truth import Truth

#: The code that results depend on: all of these folders, and these files of this one.
CODE_FOLDERS = ("src/napari_sam2/network", "src/napari_sam2/tracking")
CODE_FILES = ("clicks", "clicked", "ctc", "follow", "one_click", "otsu", "truth")


@dataclass(frozen=True)
class Cache:
    """JSON files, one for each part of each movie and method.

    A part is found again only if code, weights, movie and options are the same. The code counts by its text and not by
    the commit, so that uncommitted changes count and commits elsewhere do not.

    Parameters
    ----------
    folder
        Where they are kept.
    options
        What the results depend on besides; "rounds" matters to the part "work" only.
    use
        False computes everything anew.
    """

    folder: Path
    options: dict[str, Any]
    use: bool = True

    def get(self, truth: Truth, method: Method, part: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a part's result; computed and kept if it is not there. Its "cost" tells the seconds it took."""
        file = self.file(truth, method, part)
        if self.use and file.is_file():
            known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return known
        before, cpu = time.perf_counter(), time.process_time()
        found = compute()
        found["cost"] = {"wall": time.perf_counter() - before, "cpu": time.process_time() - cpu}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n", encoding="ascii")
        unfinished = file.with_suffix(".part")
        unfinished.write_text(json.dumps(found), encoding="utf-8")
        unfinished.replace(file)
        return found

    def has(self, truth: Truth, method: Method, part: str) -> bool:
        """Whether a part is known."""
        return self.use and self.file(truth, method, part).is_file()

    def file(self, truth: Truth, method: Method, part: str) -> Path:
        """Where a part is kept."""
        options = {key: value for key, value in self.options.items() if key != "rounds" or part == "work"}
        what = [code_hash(), movie_hash(truth), method.name, method.mode, method.key, part, options]
        key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
        return self.folder / f"{truth.name.replace('/', '-')}-{method.name.replace(' ', '')}-{part}-{key}.json"


@cache
def code_hash() -> str:
    """Hash of the code that results depend on."""
    files = [file for folder in CODE_FOLDERS for file in sorted((REPOSITORY / folder).rglob("*.py"))]
    files += [Path(__file__).with_name(f"{name}.py") for name in CODE_FILES]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def movie_hash(truth: Truth) -> str:
    """Hash of what identifies a movie: its name and length, its table of tracks, its first and last frames."""
    files = [truth.images.files[0], truth.images.files[-1]]
    files += [file for file in [truth.movie.truth_folder / "TRA" / "man_track.txt"] if file.is_file()]
    digest = hashlib.sha256(f"{truth.name} {truth.n_frames} {truth.max_cells}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
