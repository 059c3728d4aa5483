"""The network against its own outputs of a state that agreed with the published ones: `make_fixture`."""

from __future__ import annotations

import numpy as np
import pytest

from .make_fixture import FIXTURE, compute

#: Absolute, in float32; the same machine reaches 0, another one about 2e-5 on memories.
TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def now() -> dict[str, np.ndarray]:
    """What the network computes today."""
    return compute()


@pytest.fixture(scope="module")
def then() -> dict[str, np.ndarray]:
    """What it computed when it agreed with the published outputs."""
    with np.load(FIXTURE) as arrays:
        return dict(arrays)


def test_the_file_is_complete_and_small(now: dict[str, np.ndarray], then: dict[str, np.ndarray]) -> None:
    assert now.keys() == then.keys()
    assert FIXTURE.stat().st_size < 500_000


@pytest.mark.parametrize("group", ["exact-2.1", "exact-2.0", "windows-2.1", "windows-2.0", "windows-cell"])
def test_the_network_computes_what_it_did(now: dict[str, np.ndarray], then: dict[str, np.ndarray], group: str) -> None:
    keys = [key for key in then if key.startswith(f"{group}/")]
    assert len(keys) >= 30
    difference = {key: float(np.abs(then[key].astype(np.float64) - now[key]).max()) for key in keys}
    worst = max(keys, key=lambda key: difference[key])
    assert difference[worst] <= TOLERANCE, f"{worst} differs by {difference[worst]:.3g}"


@pytest.mark.parametrize("group", ["exact-2.1", "exact-2.0"])
def test_the_runs_are_not_of_absent_cells(then: dict[str, np.ndarray], group: str) -> None:
    logits = [v for k, v in then.items() if k.startswith(f"{group}/") and "low_res_logits" in k]
    assert sum(bool((v > -100).any()) for v in logits) > len(logits) / 4
