"""The docks in napari. They only call `session`, `tracking`, `export` and `weights`.

`desk` is the middle of it: what is open in one viewer, and all that can be done with it, without Qt. The docks, the
keys and the commands only call the desk and listen to its signals, never to each other.
"""
