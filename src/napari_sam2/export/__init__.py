"""Files: opening movies lazily, and writing labels as OME-Zarr, TIFF or Cell Tracking Challenge folders.

Stands beside the widgets: it may import the types of `tracking`, and no torch, Qt or napari. The command line,
`session` and the widgets import it; `tracking` does so only inside the call that saves.
"""

from napari_sam2.export.opened import OpenedMovie
from napari_sam2.export.read import open_movie
from napari_sam2.export.write import LabelInfo, LabelWriter, open_label_writer, save_labels

__all__ = ["LabelInfo", "LabelWriter", "OpenedMovie", "open_label_writer", "open_movie", "save_labels"]
