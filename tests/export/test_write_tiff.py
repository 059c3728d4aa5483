"""Labels as a TIFF stack: room for all frames is made before the first one is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.export.write import LabelInfo, open_label_writer

LABELS = np.arange(2 * 6 * 8, dtype=np.uint16).reshape(2, 6, 8)
needs_fallocate = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system sets no room aside")


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Call with an error's number: no room is set aside from then on, for that reason."""

    def refusing(number: int) -> None:
        def fallocate(file: int, start: int, size: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "posix_fallocate", fallocate)

    return refusing


@needs_fallocate
def test_a_disk_that_is_full_is_said_before_anything_is_tracked(tmp_path: Path, refuse: Callable[[int], None]) -> None:
    refuse(errno.ENOSPC)
    with pytest.raises(OSError, match=r"No space left.*cells\.tif"):
        open_label_writer(tmp_path / "cells.tif", LabelInfo((2, 6, 8)))
    assert not list(tmp_path.iterdir())


@needs_fallocate
def test_file_systems_that_set_nothing_aside_are_written_all_the_same(
    tmp_path: Path, refuse: Callable[[int], None]
) -> None:
    refuse(errno.EOPNOTSUPP)
    with open_label_writer(tmp_path / "cells.tif", LabelInfo((2, 6, 8))) as writer:
        for frame, labels in enumerate(LABELS):
            writer.write(frame, labels)
    assert np.array_equal(tifffile.imread(tmp_path / "cells.tif"), LABELS)
