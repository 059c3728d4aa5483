"""The command line: ``napari-sam2 demo | track | export | models``.

Parses, calls the engine, and speaks plainly; it computes nothing itself. May import every room but the widgets, and
imports torch only in the commands that need it, so that ``--help`` is quick.
"""

from napari_sam2.cli.app import app

__all__ = ["app"]
