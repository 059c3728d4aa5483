"""The models that have a name: the eight published checkpoints and the bundled cell model. Costs no torch to import."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from napari_sam2.weights.cache import cache_folder
from napari_sam2.weights.errors import UnknownModelError

#: Folder of the bundled weights inside the package.
DATA_FOLDER = Path(__file__).parent / "data"

#: Where Meta publishes the checkpoints.
PUBLISHED_ADDRESS = "https://dl.fbaipublicfiles.com/segment_anything_2"
_RELEASE_FOLDER = {"2.0": "072824", "2.1": "092824"}

#: bundled: part of this package; missing: should be, but the file is not there.
State = Literal["bundled", "downloaded", "not downloaded", "missing"]


@dataclass(frozen=True)
class ModelInfo:
    """One model of the catalogue.

    Attributes
    ----------
    name
        What a user writes: ``load_model(name)``.
    config
        Name of the network's configuration (`napari_sam2.network.config.CONFIGS`).
    version
        ``"2.0"`` or ``"2.1"``.
    file
        File name, in the cache folder or among the bundled files.
    url
        Address of the published file; None for a bundled one.
    bytes
        Size of the file in bytes; None for a bundled file that is missing.
    sha256
        Checksum of the file, lower-case hexadecimal. Of the bundled one too: a test holds the file to it.
    licence
        SPDX identifier.
    description
        One line for lists.
    state
        Whether the file is here. "downloaded" means that a file of the right size is in the cache folder, and that
        the folder can be looked into; its checksum is looked at when it is loaded.
    path
        Where the file is, or where a download puts it.
    """

    name: str
    config: str
    version: str
    file: str
    url: str | None
    bytes: int | None
    sha256: str | None
    licence: str
    description: str
    state: State = "not downloaded"
    path: Path | None = None

    @property
    def bundled(self) -> bool:
        """Whether the model comes with this package."""
        return self.url is None


def _published(version: str, size: str, n_bytes: int, sha256: str, description: str) -> ModelInfo:
    prefix = "sam2.1" if version == "2.1" else "sam2"
    file = f"{prefix}_hiera_{size.replace('-', '_')}.pt"
    return ModelInfo(
        name=f"{prefix}-{size}",
        config=f"{prefix}-{size}",
        version=version,
        file=file,
        url=f"{PUBLISHED_ADDRESS}/{_RELEASE_FOLDER[version]}/{file}",
        bytes=n_bytes,
        sha256=sha256,
        licence="Apache-2.0",
        description=description,
    )


_CELL = ModelInfo(
    name="cell",
    config="cell",
    version="2.1",
    file="cell.safetensors",
    url=None,
    bytes=13671132,
    sha256="b439a152bc395917b2eb55a46830d978e78ce28239cb4cd01e61b6eed32b6a21",
    licence="BSD-3-Clause",
    description="Small network trained by this project on cells in time-lapse microscopy; comes with the package.",
)

# Sizes and checksums: as the public Git LFS pointers of these files state them.
_PUBLISHED = (
    _published(
        "2.1", "tiny", 156008466, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        "SAM 2.1, Hiera-T, 39 M parameters: the fastest of the published ones.",
    ),
    _published(
        "2.1", "small", 184416285, "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        "SAM 2.1, Hiera-S, 46 M parameters.",
    ),
    _published(
        "2.1", "base-plus", 323606802, "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        "SAM 2.1, Hiera-B+, 81 M parameters.",
    ),
    _published(
        "2.1", "large", 898083611, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        "SAM 2.1, Hiera-L, 224 M parameters: the most accurate, and the slowest.",
    ),
    _published(
        "2.0", "tiny", 155906050, "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
        "SAM 2 of July 2024, Hiera-T.",
    ),
    _published(
        "2.0", "small", 184309650, "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
        "SAM 2 of July 2024, Hiera-S.",
    ),
    _published(
        "2.0", "base-plus", 323493298, "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
        "SAM 2 of July 2024, Hiera-B+.",
    ),
    _published(
        "2.0", "large", 897952466, "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
        "SAM 2 of July 2024, Hiera-L.",
    ),
)  # fmt: skip

_CATALOGUE = {info.name: info for info in (_CELL, *_PUBLISHED)}


def _located(info: ModelInfo, folder: str | os.PathLike[str] | None) -> ModelInfo:
    if info.bundled:
        path = DATA_FOLDER / info.file
        present = path.is_file()
        return replace(
            info,
            path=path,
            bytes=path.stat().st_size if present else None,
            state="bundled" if present else "missing",
        )
    path = cache_folder(folder) / info.file
    try:
        present = path.is_file() and path.stat().st_size == info.bytes
    except OSError:  # a folder of somebody else's, a network drive that is gone: nothing can be loaded from there
        present = False
    return replace(info, path=path, state="downloaded" if present else "not downloaded")


def list_models(folder: str | os.PathLike[str] | None = None) -> list[ModelInfo]:
    """Every model that has a name, the bundled one first.

    Parameters
    ----------
    folder
        Where downloaded models are looked for; the usual cache folder (`cache_folder`) when None.
    """
    return [_located(info, folder) for info in _CATALOGUE.values()]


def find_model(name: str, folder: str | os.PathLike[str] | None = None) -> ModelInfo:
    """The model called `name`; upper case and the published file names (``sam2.1_hiera_tiny``) are understood too.

    Raises
    ------
    UnknownModelError
        If there is none; the message lists the names.
    """
    plain = name.strip().lower()
    for info in _CATALOGUE.values():
        if plain in (info.name, info.file, Path(info.file).stem):
            return _located(info, folder)
    raise UnknownModelError(f"there is no model called {name!r}; there are: {', '.join(_CATALOGUE)}")
