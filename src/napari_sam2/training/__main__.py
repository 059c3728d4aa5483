"""``python -m napari_sam2.training pack | train | export``: make the `cell` model, or fine-tune it on own data."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from napari_sam2.training.commands import main

DEBUG_VARIABLE = "NAPARI_SAM2_DEBUG"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what is wrong with data, options or the disk is said in a sentence.

    Returns
    -------
    int
        The exit status.
    """
    try:
        main(arguments)
    except (ValueError, OSError) as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        print(f"Error: {error} ({DEBUG_VARIABLE}=1 shows where)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
