"""What can go wrong between a model's name and a model: one exception for each kind, with a common base."""

from __future__ import annotations


class WeightsError(Exception):
    """Base of everything `napari_sam2.weights` raises on purpose."""


class UnknownModelError(WeightsError, ValueError):
    """The name is neither in the catalogue nor a file."""


class CheckpointError(WeightsError, ValueError):
    """A file that cannot be read as a SAM 2 checkpoint: truncated, foreign, unsafe, or of another network."""


class DownloadError(WeightsError, OSError):
    """A published file could not be fetched; the message says how to put it in place by hand."""


class DownloadCancelled(WeightsError):
    """The progress callback asked to stop. What was fetched is kept and the next download goes on from there."""


class DeviceError(WeightsError, ValueError):
    """The device or the number type asked for is unknown or not available here."""
