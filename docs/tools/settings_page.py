"""The page on settings: napari's preferences from the manifest, the tracker's from its dataclass, the environment's."""

from __future__ import annotations

import re
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

INTRO = """# Settings

Three places: what you choose in napari's preferences is where new sessions begin; what you choose in the dock, or hand
to `CellTracker` and `new_session`, counts for one movie; environment variables are for whoever looks after the
computer.
"""


def page() -> str:
    """The page in Markdown."""
    return "\n\n".join([INTRO, preferences(), tracking(), environment()]) + "\n"


def preferences() -> str:
    """What the manifest offers in napari's preferences, but the keys, which have a page of their own."""
    parts = ["## In napari: Preferences ▸ SAM 2 cell tracking"]
    for name, section in manifest()["contributions"]["configurations"].items():
        if name == "keys":
            parts.append("Each key is a field, too: [Keys](keys.md).")
            continue
        rows = [
            f"| {spec['title']} | {plain(spec['description'])} | {shown(spec['default'])} |"
            for spec in section["properties"].values()
        ]
        parts.append("\n".join([f"### {section['title']}\n", "| | | default |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def manifest() -> dict[str, Any]:
    """The plugin's manifest."""
    import yaml

    import napari_sam2

    found: dict[str, Any] = yaml.safe_load(Path(napari_sam2.__file__).with_name("napari.yaml").read_text("utf-8"))
    return found


def tracking() -> str:
    """The tracker's settings."""
    from napari_sam2.tracking.settings import Settings

    texts = documented(Settings.__doc__ or "")
    rows = [f"| `{f.name}` | {plain(texts[f.name])} | {shown(f.default)} |" for f in fields(Settings)]
    example = (
        "```python\nfrom napari_sam2 import CellTracker\nfrom napari_sam2.tracking import Settings\n\n"
        "tracker = CellTracker(movie, settings=Settings(search_cells=0))\n```"
    )
    head = "## Of the tracker\n\nFor most movies the defaults are right."
    return "\n\n".join([head, example, "\n".join(["| name | | default |", "|---|---|---|", *rows])])


def environment() -> str:
    """Environment variables."""
    from napari_sam2.cli.console import DEBUG_VARIABLE
    from napari_sam2.logfile import LOG_VARIABLE
    from napari_sam2.tracking.graphs import GRAPHS_VARIABLE
    from napari_sam2.weights.cache import CACHE_VARIABLE

    rows = [
        f"| `{CACHE_VARIABLE}` | Folder of downloaded models; wins over the preference. |",
        f"| `{DEBUG_VARIABLE}` | Set to 1, commands show where in the code an error came from. |",
        f"| `{LOG_VARIABLE}` | A file that napari and the commands append to: what was done, and errors in full. |",
        f"| `{GRAPHS_VARIABLE}` | Set to 0, no CUDA graphs are recorded. |",
        "| `OMP_NUM_THREADS` | Processor cores that torch uses. |",
    ]
    return "\n".join(["## Environment variables\n", "| name | |", "|---|---|", *rows])


def documented(doc: str) -> dict[str, str]:
    """Texts of the parameters in a numpy docstring, by name."""
    body = re.split(r"Parameters\n\s*-+\n", textwrap.dedent(doc))[1]
    found: dict[str, list[str]] = {}
    name = ""
    for line in textwrap.dedent(body).splitlines():
        if line and not line.startswith(" "):
            name = line.split(":")[0].strip()
        elif name:
            found.setdefault(name, []).append(line.strip())
    return {name: " ".join(lines).strip() for name, lines in found.items()}


def shown(value: Any) -> str:
    """A default as it is written."""
    if value in (None, ""):
        return "–" if value is None else ""
    return f"`{value}`"


def plain(text: str) -> str:
    """Text for a table's cell."""
    return " ".join(str(text).split()).replace("``", "`").replace("|", "\\|")
