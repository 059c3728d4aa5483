"""Features kept on disk, so that a movie opened again need not be encoded again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.regions import HALO, MAX_PAGE, Region

#: Layout of the folder; another number is another cache.
VERSION = 2


class DiskCache:
    """Pages of features in a zarr group, as float16.

    Parameters
    ----------
    folder
        Where caches of all movies live.
    key
        Everything the features depend on besides the geometry and the type they are computed in: the movie's
        fingerprint, its scaling, the weights' hash.

    Notes
    -----
    What was computed in one type is never taken for another: whoever asks for float32 does not get what bfloat16 left.

    A page is marked as done after its maps are written, so a process that dies in between leaves nothing false behind.
    """

    def __init__(self, folder: str | os.PathLike[str], *key: object) -> None:
        self.folder = Path(folder)
        self._parts = key
        self.key = repr((VERSION, HALO, MAX_PAGE, *key))
        self._groups: dict[Path, Any] = {}

    def mirrored(self, mirror: tuple[bool, bool]) -> DiskCache:
        """Where features of the same frames mirrored are kept."""
        return DiskCache(self.folder, *self._parts, mirror)

    def read(self, geometry: Geometry, frame: int, page: Region, like: Tensor) -> tuple[Tensor, ...] | None:
        """Return the maps (h, w, C) of a page with the type and device of `like`, or None if they are not there."""
        path = self._path(geometry, like.dtype)
        group = self._group(path)
        name = _name(frame, page)
        if group is None or not (path / f"{name}.done").exists():
            return None
        try:
            maps = [torch.from_numpy(np.asarray(group[f"{name}/{i}"][...])) for i in range(3)]
        except (OSError, KeyError, ValueError, RuntimeError):  # damaged: what is encoded again replaces it
            return None
        return tuple(m.to(like.device, like.dtype) for m in maps)

    def write(self, geometry: Geometry, frame: int, page: Region, maps: tuple[Tensor, ...]) -> None:
        """Keep the maps (h, w, C) of a page, which have the type that they were computed in."""
        import zarr

        path = self._path(geometry, maps[0].dtype)
        group = self._groups.get(path)
        if group is None:
            path.mkdir(parents=True, exist_ok=True)
            group = self._groups[path] = zarr.open_group(str(path), mode="a")
        name = _name(frame, page)
        for i, m in enumerate(maps):
            data = m.detach().to("cpu", torch.float16).numpy()
            array = group.create_array(
                f"{name}/{i}", shape=data.shape, dtype="float16", chunks=data.shape, overwrite=True
            )
            array[...] = data
        (path / f"{name}.done").touch()

    def _group(self, path: Path) -> Any:
        if path not in self._groups:
            import zarr

            if not (path / "zarr.json").exists():
                return None
            self._groups[path] = zarr.open_group(str(path), mode="a")
        return self._groups[path]

    def _path(self, geometry: Geometry, dtype: torch.dtype) -> Path:
        digest = hashlib.sha256(f"{self.key}{geometry}{dtype}".encode()).hexdigest()
        return self.folder / f"{digest[:32]}.zarr"


def _name(frame: int, page: Region) -> str:
    return f"t{frame}y{page.top}x{page.left}"
