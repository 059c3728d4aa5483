"""Files: opening movies lazily; what was tracked, out to what others read; segmentations and tracks, in.

Stands beside the widgets: it may import the types of `tracking`, and no torch, Qt or napari. The command line,
`session` and the widgets import it; `tracking` does so only inside the call that saves. ``docs/formats.md`` says what
each format holds.
"""

from napari_sam2.export.formats import FORMATS
from napari_sam2.export.jobs import Cancelled
from napari_sam2.export.opened import OpenedMovie
from napari_sam2.export.read import open_movie
from napari_sam2.export.save import Exported, LossWarning, export
from napari_sam2.export.tracked import CellInfo, Tracked
from napari_sam2.export.write import LabelInfo, LabelWriter, open_label_writer, save_labels

__all__ = [
    "FORMATS",
    "Cancelled",
    "CellInfo",
    "Exported",
    "LabelInfo",
    "LabelWriter",
    "LossWarning",
    "OpenedMovie",
    "Tracked",
    "export",
    "open_label_writer",
    "open_movie",
    "save_labels",
]
