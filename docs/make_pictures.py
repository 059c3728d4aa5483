"""Make all pictures of the documentation: ``make pictures``, or on a virtual screen ``python docs/make_pictures.py``.

A real window is opened, and real mouse and key events tell the story of the tutorial on a sample movie: open, click,
track, correct, divide, review, save. Pictures without a window (kinds of synthetic movies, the demo) are made first.
``--only NAME,NAME`` makes these alone; the story is told up to the last of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def at_home_nowhere(folder: Path) -> None:
    """Have napari and the plugin keep settings and sessions in a folder of their own, as on a new computer."""
    for variable, name in (("HOME", "home"), ("XDG_DATA_HOME", "home/.local/share"), ("XDG_CACHE_HOME", "cache")):
        (folder / name).mkdir(parents=True)
        os.environ[variable] = str(folder / name)
    os.environ["NAPARI_CONFIG"] = str(folder / "napari.yaml")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of pictures, with commas")
    parser.add_argument("--out", type=Path, default=DOCS / "pictures")
    parser.add_argument("--no-window", action="store_true", help="only pictures that need none")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 800), help="of the window")
    given = parser.parse_args(arguments)
    given.out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="napari-sam2-") as folder:
        at_home_nowhere(Path(folder))
        from tools.album import Album
        from tools.without_window import take_all

        album = Album(given.out, [name for name in given.only.split(",") if name])
        take_all(album)
        if not given.no_window and not album.complete:
            from tools.story import tell

            tell(album, tuple(given.size))
    print(f"{len(album.taken)} pictures, {album.bytes / 1e6:.1f} MB in all, in {given.out}")


if __name__ == "__main__":
    main()
