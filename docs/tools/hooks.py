"""Hooks of mkdocs: pages that the program writes itself, and numbers from its settings inside the text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mkdocs.structure.files import File, Files

from tools import cli_page, keys_page, settings_page

PAGES = {
    "reference/cli.md": cli_page.page,
    "reference/keys.md": keys_page.page,
    "reference/settings.md": settings_page.page,
}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for address, page in PAGES.items():
        files.append(File.generated(config, address, content=page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put settings into the text."""
    from napari_sam2.tracking.settings import Settings

    return markdown.replace("{{ target_diameter }}", f"{Settings().target_diameter:.0f}")
