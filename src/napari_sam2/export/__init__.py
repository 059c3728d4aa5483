"""Files: opening movies lazily, and writing labels as OME-Zarr, TIFF or Cell Tracking Challenge folders.

Stands beside the widgets: it may import the types of `tracking`, and no torch, Qt or napari. The command line,
`session` and the widgets import it; `tracking` does so only inside the call that saves.
"""
