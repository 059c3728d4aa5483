"""The docks in napari. They only call `session` and `tracking`. Nothing is in here yet."""
