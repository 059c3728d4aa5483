"""A log file, on request: what was called, with which versions, what was said, and every error with its traceback.

The library itself only writes to loggers called ``napari_sam2...`` and sets nothing up; this does, when a person asks:
``napari-sam2 --log FILE``, or the environment variable below for napari as well. Imports nothing else of the package.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

LOG_VARIABLE = "NAPARI_SAM2_LOG"
"""Names the file to log to."""
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OF_INTEREST = ("napari-sam2", "torch", "numpy", "zarr", "tifffile", "napari")

logger = logging.getLogger("napari_sam2")


def start_log(path: str | os.PathLike[str], call: Sequence[str] | None = None) -> logging.Handler:
    """Append to a log file from now on; loggers of this package and Python's warnings end up in it.

    Parameters
    ----------
    path
        The file; it is made if need be, with its folder.
    call
        The words of the command, for the first line; those of this process when None.

    Returns
    -------
    logging.Handler
        For `stop_log`. The same one again if the file is logged to already.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    file = Path(path).expanduser().absolute()
    for known in logger.handlers:
        if isinstance(known, logging.FileHandler) and known.baseFilename == os.fspath(file):
            return known
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logging.getLogger("py.warnings").addHandler(handler)
    logging.captureWarnings(True)
    logger.info("called as: %s", " ".join(sys.argv if call is None else call))
    logger.info("Python %s on %s; %s", platform.python_version(), platform.platform(), ", ".join(_versions()))
    return handler


def stop_log(handler: logging.Handler) -> None:
    """Close a log file that `start_log` opened."""
    logging.getLogger("py.warnings").removeHandler(handler)
    logger.removeHandler(handler)
    handler.close()
    if not any(isinstance(other, logging.FileHandler) for other in logger.handlers):
        logging.captureWarnings(False)
        logger.setLevel(logging.NOTSET)


def start_from_environment() -> logging.Handler | None:
    """Log to the file that ``NAPARI_SAM2_LOG`` names; None where it names none, or one that cannot be written."""
    named = os.environ.get(LOG_VARIABLE)
    if not named:
        return None
    try:
        return start_log(named)
    except OSError as error:
        logger.warning("%s=%s cannot be logged to: %s", LOG_VARIABLE, named, error)
        return None


def _versions() -> list[str]:
    found = []
    for name in _OF_INTEREST:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found
