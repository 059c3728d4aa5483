"""The page on keys, from the one table that they are bound from."""

from __future__ import annotations

from typing import Any

INTRO = """# Keys

They work while the dock is open, with the mouse over the picture or in the dock. ++h++ shows them in napari. Each can
be changed in *Preferences*, where the name in the last column is its field. Keys that napari, or you, have given to
something else are left alone, and the dock says so.

On a Mac, Ctrl is ⌘ and Alt is ⌥.
"""


def page() -> str:
    """The page in Markdown."""
    from napari_sam2.widgets.keys import ACTIONS

    groups: dict[str, list[Any]] = {}
    for action in ACTIONS.values():
        groups.setdefault(action.group, []).append(action)
    parts = [INTRO]
    for title, actions in groups.items():
        rows = [f"| {keys(action)} | {action.text} | `{action.id}` |" for action in actions]
        parts.append("\n".join([f"## {title}\n", "| key | | in Preferences |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def keys(action: Any) -> str:
    """The keys of an action, as keycaps."""
    return " or ".join(cap(key) for key in (action.key, *action.also) if key) or "–"


def cap(key: str) -> str:
    """``Shift+N`` in the notation of the pymdownx.keys extension."""
    return f"++{'+'.join(part.lower() for part in key.split('+'))}++"
