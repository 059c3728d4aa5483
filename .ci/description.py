"""The text for PyPI, made while the package is built: README.md with links that lead somewhere from there.

In the repository links are relative, as they have to be to work in a checkout; on PyPI they would lead nowhere and
pictures would be missing. Where the repository's address is known (GitHub Actions says it; elsewhere
NAPARI_SAM2_REPOSITORY does), links become absolute, to the very version that is built, and the address is named in the
metadata. Where it is not, a picture becomes its description and a link the words it stands on, rather than something
broken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ADDRESS = "NAPARI_SAM2_REPOSITORY"  # such as https://github.com/OWNER/napari-sam2
LINK = re.compile(r"(?P<picture>!?)\[(?P<words>[^\]]*)\]\((?P<target>(?!https?:|mailto:|#)[^)\s]+)\)")
BRANCH = "main"


def repository(environment: Mapping[str, str]) -> tuple[str, str]:
    """The repository's address, empty where nobody says it, and the tag, commit or branch that is built."""
    address = environment.get(ADDRESS, "")
    if not address and environment.get("GITHUB_REPOSITORY"):
        address = f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{environment['GITHUB_REPOSITORY']}"
    tagged = environment.get("GITHUB_REF_TYPE") == "tag"
    version = environment.get("GITHUB_REF_NAME" if tagged else "GITHUB_SHA") or BRANCH
    return address.rstrip("/"), version


def description(readme: str, address: str, version: str) -> str:
    """`readme` with relative links and pictures made absolute; turned into words where `address` is empty."""

    def replaced(found: re.Match[str]) -> str:
        if not address:
            return f"*({found['words']})*" if found["picture"] else found["words"]
        kind = "raw" if found["picture"] else "blob"
        return f"{found['picture']}[{found['words']}]({address}/{kind}/{version}/{found['target']})"

    return LINK.sub(replaced, readme)


class Description(MetadataHookInterface):
    """Sets the fields ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling with the table ``project``; from an sdist the fields are there already."""
        address, version = repository(os.environ)
        if "readme" not in metadata:
            text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
            metadata["readme"] = {"content-type": "text/markdown", "text": description(text, address, version)}
        if address and "urls" not in metadata:
            metadata["urls"] = {"Repository": address, "Issues": f"{address}/issues"}
