"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: Names the folder with the real movies and the reference outputs, where they are not beside the repository.
SHARED_VARIABLE = "NAPARI_SAM2_SHARED"


def find_shared() -> Path | None:
    """The folder of real movies and reference outputs, or None where there is none.

    Looked for in the environment variable NAPARI_SAM2_SHARED, then as ``shared`` beside the repository.
    """
    named = os.environ.get(SHARED_VARIABLE)
    repository = Path(__file__).resolve().parents[1]
    folder = Path(named) if named else repository.parent / "shared"
    return folder if (folder / "data").is_dir() or (folder / "parity").is_dir() else None


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real movies and reference outputs; skips the test where there is none."""
    folder = find_shared()
    if folder is None:
        pytest.skip(f"no folder of real movies and reference outputs here (name one with {SHARED_VARIABLE})")
    return folder


@pytest.fixture(autouse=True)
def _few_threads() -> None:
    """Keep the tests polite: where torch is loaded already, it uses the threads that OMP_NUM_THREADS says, or two."""
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(2, os.cpu_count() or 1))
