"""What a run writes for people to read: lines on the screen, settings, log and curves. None of it may end the run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_sam2.training.curves import append_row, draw_curves, trim_log


class RunLog:
    """Log, curves and settings in the folder of a run.

    Whatever goes wrong with them is told, and forgotten: hours of training are worth more than a line of the log.

    Parameters
    ----------
    out : Path
        Folder of the run.
    """

    def __init__(self, out: Path) -> None:
        self._rows = out / "log.csv"
        self._picture = out / "curves.png"
        self._settings = out / "settings.json"

    def begin(self, settings: dict[str, Any], step: int) -> None:
        """Note the settings, and drop the rows of steps after `step`, which will be done again."""
        with _harmless(self._settings):
            self._settings.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
        with _harmless(self._rows):
            trim_log(self._rows, step)

    def add(self, row: dict[str, float]) -> None:
        """Append a row (see `append_row`)."""
        with _harmless(self._rows):
            append_row(self._rows, row)

    def draw(self) -> None:
        """Draw the curves, where there is a log yet."""
        with _harmless(self._picture):
            if self._rows.exists():
                draw_curves(self._rows, self._picture)


def tell(text: str) -> None:
    """Print a line. Where the output goes may be closed, or full like the disk that the line complains of.

    A signal may also come while another line is being printed, which must not be gone into once more.
    """
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        print(text, flush=True)


def line_of(row: dict[str, float]) -> str:
    """The most telling numbers of a row, for the screen."""
    names = ("loss", "dense", "first_mask", "first_overlap", "corrected_overlap", "follow_mask", "follow_overlap")
    parts = [f"{n} {row[n]:.3f}" for n in names if n in row]
    return f"step {int(row['step'])} {' '.join(parts)} {row['seconds_per_step']:.2f} s/step {row['minutes']:.1f} min"


@contextlib.contextmanager
def _harmless(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 (matplotlib may raise anything)
        tell(f"{path} could not be written ({type(error).__name__}: {error}); training goes on")
