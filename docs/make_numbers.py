"""Write the measured numbers into the documentation: ``python docs/make_numbers.py`` after each run of a benchmark.

Between ``<!-- numbers: NAME -->`` and ``<!-- end of numbers -->`` in README.md and docs/**/*.md stands what
`tools.numbers` makes of benchmarks/results. ``--check`` writes nothing, and fails where a page is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parent
if str(DOCS) not in sys.path:
    sys.path.insert(0, str(DOCS))

from tools.numbers import BLOCKS  # noqa: E402

MARKED = re.compile(r"(<!-- numbers: (\S+) -->\n)(.*?)(<!-- end of numbers -->)", re.DOTALL)


def pages() -> list[Path]:
    """The files that may have numbers."""
    return [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]


def filled(text: str, blocks: Mapping[str, Callable[[], str]] = BLOCKS) -> str:
    """A page with what stands between its markers made anew.

    Raises
    ------
    ValueError
        If there is no block of a name, or a marker has no end.
    """
    if text.count("<!-- numbers: ") != len(MARKED.findall(text)):
        raise ValueError("a marker <!-- numbers: NAME --> without its <!-- end of numbers -->")

    def fill(match: re.Match[str]) -> str:
        head, name, _, foot = match.groups()
        if name not in blocks:
            raise ValueError(f"there are no numbers called {name!r}; there are {', '.join(blocks)}")
        return f"{head}\n{blocks[name]()}\n\n{foot}"

    return MARKED.sub(fill, text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say which pages are out of date")
    check = parser.parse_args(arguments).check
    stale = 0
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if before != after:
            stale += 1
            print(f"{page.relative_to(DOCS.parent)}: {'out of date' if check else 'written'}")
            if not check:
                page.write_text(after, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
