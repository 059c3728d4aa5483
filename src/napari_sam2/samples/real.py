"""Public real movies: where they are, on which terms, and how they are fetched, checked and read."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.weights import ProgressCallback, RetryPolicy, cache_folder
from napari_sam2.weights.download import RemoteFile, fetch

from .synthetic import LayerData

ADDRESS = "https://data.celltrackingchallenge.net/training-datasets"
TERMS_ADDRESS = "https://celltrackingchallenge.net/datasets/"
TERMS = (
    "Cell Tracking Challenge, not an open licence: publications cite Maška et al., Nature Methods 20, 1010 (2023) and "
    "name the challenge as the source; scientific use outside the challenge needs the permission of the provider; "
    "commercial use needs that of the organizers too; the images must not be passed on."
)
"""In short; what counts is what stands at :data:`TERMS_ADDRESS` on the day of the download."""
FOLDER = "samples"
"""Folder of the downloaded movies inside the cache folder."""


@dataclass(frozen=True)
class RealMovie:
    """One public movie.

    Parameters
    ----------
    name
        What it is called here.
    title
        For menus.
    dataset
        Name of the data set, and of the folder inside its archive.
    provider
        Whom to thank and to ask.
    bytes, sha256
        Of the archive. The same values stand in several published programs that read these data sets.
    micrometers, minutes
        Side of a pixel, and time between two frames, as the data set's page states them.
    """

    name: str
    title: str
    dataset: str
    provider: str
    bytes: int
    sha256: str
    micrometers: float
    minutes: float
    address: str = ADDRESS
    terms: str = TERMS
    terms_address: str = TERMS_ADDRESS

    @property
    def url(self) -> str:
        """Address of the archive."""
        return f"{self.address}/{self.dataset}.zip"

    def path(self, folder: str | os.PathLike[str] | None = None) -> Path:
        """Where the archive is kept, or will be."""
        return cache_folder(folder) / FOLDER / f"{self.dataset}.zip"

    def is_here(self, folder: str | os.PathLike[str] | None = None) -> bool:
        """Whether a file of the right size is there; its checksum is looked at when it is read."""
        path = self.path(folder)
        return path.is_file() and path.stat().st_size == self.bytes

    def question(self) -> str:
        """What has to be agreed to before the download, in a few lines."""
        return (
            f"{self.title}: {self.bytes / 1e6:.0f} MB from\n{self.url}\n\n"
            f"Provided by {self.provider}.\nTerms, in short: {self.terms}\nIn full: {self.terms_address}\n\n"
            "Download it on these terms?"
        )


REAL: dict[str, RealMovie] = {
    movie.name: movie
    for movie in (
        RealMovie(
            name="u373",
            title="U373 cells, phase contrast (Cell Tracking Challenge)",
            dataset="PhC-C2DH-U373",
            provider="S. Kumar, University of California at Berkeley",
            bytes=43_454_399,
            sha256="b18185c18fce54e8eeb93e4bbb9b201d757add9409bbf2283b8114185a11bc9e",
            micrometers=0.65,
            minutes=15.0,
        ),
        RealMovie(
            name="hela-dic",
            title="HeLa cells, DIC (Cell Tracking Challenge)",
            dataset="DIC-C2DH-HeLa",
            provider="G. van Cappellen, Erasmus Medical Center Rotterdam",
            bytes=41_504_758,
            sha256="832fed2d05bb7488cf9c51a2994b75f8f3f53b3c3098856211f2d39023c34e1a",
            micrometers=0.19,
            minutes=10.0,
        ),
        RealMovie(
            name="sim-plus",
            title="Simulated HL60 nuclei, SIM+ (Cell Tracking Challenge)",
            dataset="Fluo-N2DH-SIM+",
            provider="V. Ulman and D. Svoboda, Masaryk University Brno",
            bytes=99_034_393,
            sha256="3e809148c87ace80c72f563b56c35e0d9448dcdeb461a09c83f61e93f5e40ec8",
            micrometers=0.125,
            minutes=29.0,
        ),
    )
}
"""Public movies by name. Movies whose checksum is not published are not offered."""


def find_real(name: str) -> RealMovie:
    """The public movie of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists the names.
    """
    if name not in REAL:
        raise ValueError(f"there is no public sample movie called {name!r}; there are: {', '.join(REAL)}")
    return REAL[name]


class TermsNotAccepted(ValueError):
    """Nobody agreed to the terms of a movie, so nothing was downloaded."""


def download_sample(
    movie: RealMovie,
    agree: Callable[[RealMovie], bool],
    progress: ProgressCallback | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    policy: RetryPolicy | None = None,
) -> Path:
    """Fetch the archive of a public movie unless it is here; its path.

    Parameters
    ----------
    movie
        Which; see :data:`REAL`.
    agree
        Asked with the movie before anything is fetched, and not for one that is here already; shows
        :meth:`RealMovie.question` to a person and says what they chose.
    progress
        Told about the download; returning False cancels. What was fetched is kept.
    folder
        The cache folder; the usual one when None.
    policy
        How patient to be with a poor connection.

    Raises
    ------
    TermsNotAccepted
        If `agree` returned False.
    DownloadError
        If it cannot be fetched: without a network the message says which file to put where by hand. A file with
        another checksum is not kept.
    DownloadCancelled
        If the callback returned False.
    """
    if not movie.is_here(folder) and not agree(movie):
        raise TermsNotAccepted(f"{movie.title} was not downloaded, because its terms were not agreed to.")
    file = RemoteFile(movie.title, movie.url, movie.bytes, movie.sha256, movie.path(folder))
    return fetch(file, progress, policy)


def read_real(movie: RealMovie, archive: Path, *, sequence: str = "01") -> list[LayerData]:
    """Read one sequence of a downloaded archive as an image layer.

    Parameters
    ----------
    movie
        Which.
    archive
        Its ZIP file; nothing is unpacked to the disk.
    sequence
        ``"01"`` or ``"02"``.

    Returns
    -------
    list of (data, attributes, kind)
        One image, (T, Y, X), in the archive's own number type, calibrated in minutes and micrometers.

    Raises
    ------
    ValueError
        If the archive is not the ZIP file of that data set, or has no such sequence.
    """
    frames = _frames(movie, archive, sequence)
    attributes: dict[str, Any] = {
        "name": f"{movie.dataset} {sequence}",
        "scale": (movie.minutes, movie.micrometers, movie.micrometers),
        "units": ("minute", "micrometer", "micrometer"),
        "axis_labels": ("t", "y", "x"),
        "metadata": {
            "napari-sam2": {
                "source": movie.url,
                "provider": movie.provider,
                "terms": f"{movie.terms} ({movie.terms_address})",
            }
        },
    }
    return [(frames, attributes, "image")]


def _frames(movie: RealMovie, archive: Path, sequence: str) -> np.ndarray[Any, Any]:
    import tifffile

    pattern = re.compile(rf"{re.escape(movie.dataset)}/{re.escape(sequence)}/t(\d+)\.tif")
    try:
        with zipfile.ZipFile(archive) as file:
            found = sorted(
                (int(match[1]), name) for name in file.namelist() if (match := pattern.fullmatch(name)) is not None
            )
            if not found:
                raise ValueError(f"{archive} holds no {movie.dataset}/{sequence}/tNNN.tif: it is another archive")
            return np.stack([tifffile.imread(io.BytesIO(file.read(name))) for _, name in found])
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive} is no ZIP file that can be read ({error}): delete it and try again") from error
