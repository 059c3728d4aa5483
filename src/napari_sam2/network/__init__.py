"""SAM 2 in PyTorch: tensors in, tensors out, one component a file.

Knows nothing of movies, files or widgets, and imports no other room of this package. `weights`, `tracking` and
`training` import it.
"""
