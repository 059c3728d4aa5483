"""Where parameters come from: the catalogue, downloads with a checksum, loading, and the bundled cell model.

Imports `network` only. `tracking`, `training`, the widgets and the command line import it.
"""
