"""A movie and prompts in, masklets out: the movie, the geometry, the memory bank, the propagation.

No widgets and no files: `network` and `weights` are the only rooms it builds on, and it never imports Qt or napari.
`session`, the widgets, `training` and the command line import it.
"""
