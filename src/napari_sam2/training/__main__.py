"""``python -m napari_sam2.training pack | train | export``: make the `cell` model, or fine-tune it on own data."""

from __future__ import annotations

from napari_sam2.training.commands import main

if __name__ == "__main__":
    main()
