"""What *File > Open Sample > SAM 2 cell tracking* calls: one function an entry of the manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_sam2.samples import RealMovie, download_sample, find_real, read_real, synthetic_layers
from napari_sam2.samples.real import TermsNotAccepted
from napari_sam2.samples.synthetic import LayerData
from napari_sam2.weights import DownloadCancelled, DownloadProgress
from napari_sam2.widgets import notify
from napari_sam2.widgets.waiting import Tell, has_window, parent_window, wait_for

_TITLE = "Opening a sample"


def _synthetic(name: str, truth: bool = False) -> Callable[[], list[LayerData]]:
    def opened() -> list[LayerData]:
        return wait_for(_TITLE, "Making the movie ...", lambda tell: synthetic_layers(name, truth=truth))

    opened.__name__ = name + ("_with_truth" if truth else "")
    return opened


nuclei, nuclei_with_truth = _synthetic("nuclei"), _synthetic("nuclei", True)
membranes, membranes_with_truth = _synthetic("membranes"), _synthetic("membranes", True)
phase, phase_with_truth = _synthetic("phase"), _synthetic("phase", True)
rods, rods_with_truth = _synthetic("rods"), _synthetic("rods", True)


def u373() -> list[LayerData]:
    """Open U373 cells in phase contrast."""
    return chosen(find_real("u373"))


def hela_dic() -> list[LayerData]:
    """Open HeLa cells in DIC."""
    return chosen(find_real("hela-dic"))


def sim_plus() -> list[LayerData]:
    """Open simulated nuclei."""
    return chosen(find_real("sim-plus"))


def no_layers() -> list[LayerData]:
    """What napari takes for a sample without complaint, and adds nothing: an image of no channels.

    An empty list and the empty layer (``(None,)``), which mean this elsewhere, are errors for ``open_sample``.
    """
    return [(np.empty((0, 1, 1), np.uint8), {"channel_axis": 0}, "image")]


def chosen(movie: RealMovie, folder: Path | None = None) -> list[LayerData]:
    """Open a public movie as the menu does: somebody who says no, or stops the download, is told so, not warned.

    Parameters, result and errors as of :func:`open_real`.
    """
    try:
        return open_real(movie, folder)
    except TermsNotAccepted as declined:
        notify.info(str(declined))
    except DownloadCancelled:
        notify.info(f"{movie.title}: the download was stopped. What was fetched is kept, and it goes on from there.")
    return no_layers()


def open_real(movie: RealMovie, folder: Path | None = None) -> list[LayerData]:
    """Ask, download and read a public movie; parameters, result and errors as of `samples.download_sample`."""
    agreed = movie.is_here(folder) or ask(movie)  # asked here: the thread below must not open a dialog

    def work(tell: Tell) -> list[LayerData]:
        def progress(report: DownloadProgress) -> bool:
            done = f"{report.received / 1e6:.0f} of {movie.bytes / 1e6:.0f} MB"
            return tell(report.fraction, f"{movie.title}: {report.stage} {report.message}\n{done}")

        archive = download_sample(movie, lambda _: agreed, progress, folder=folder)
        tell(None, f"{movie.title}: reading ...")
        return read_real(movie, archive)

    return wait_for(_TITLE, movie.title, work, can_stop=True)


def ask(movie: RealMovie) -> bool:
    """Show the terms and ask. Without a window nobody can be asked, so the answer is no.

    Raises
    ------
    ValueError
        Without a window; the message says how to agree in a shell.
    """
    if not has_window():
        raise ValueError(
            f"{movie.title} has terms that somebody has to agree to before it is downloaded: run "
            f"`napari-sam2 samples download {movie.name}` once"
        )
    from qtpy.QtWidgets import QMessageBox

    buttons = QMessageBox.StandardButton
    box = QMessageBox(QMessageBox.Icon.Question, "Download a public movie?", movie.question(), parent=parent_window())
    box.setObjectName("napari-sam2-terms")
    box.setStandardButtons(buttons.Yes | buttons.No)
    box.setDefaultButton(buttons.No)
    return bool(box.exec() == buttons.Yes)
