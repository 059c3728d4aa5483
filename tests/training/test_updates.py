"""Several batches that move a network together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from napari_sam2.training.settings import TrainSettings
from napari_sam2.training.updates import Updates

SETTINGS = TrainSettings(clip_norm=0.1, learning_rate=0.01)


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def loss(net: nn.Linear, seed: int) -> Tensor:
    values = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))
    return net(values).square().sum()  # type: ignore[no-any-return]


def test_batches_in_parts_move_a_network_as_their_mean_does() -> None:
    parts, whole = network(), network()
    in_parts = Updates(parts, replace(SETTINGS, batches=3))
    at_once = Updates(whole, SETTINGS)
    for update in range(2):
        losses = [loss(whole, 3 * update + k) for k in range(3)]
        at_once.add(torch.stack(losses).mean())
        for k in range(3):
            in_parts.add(loss(parts, 3 * update + k))
        assert in_parts.apply(0.01) == pytest.approx(at_once.apply(0.01))
        torch.testing.assert_close(parts.weight, whole.weight)
    assert not torch.equal(parts.weight, network().weight)


def test_updates_are_due_after_so_many_batches() -> None:
    updates = Updates(network(), replace(SETTINGS, batches=3))
    assert [step for step in range(1, 8) if updates.due(step)] == [3, 6]
    assert [updates.whole(step) for step in (0, 1, 3, 4)] == [0, 3, 3, 6]


def test_a_gradient_that_is_not_finite_moves_nothing_and_is_forgotten() -> None:
    net = network()
    updates = Updates(net, SETTINGS)
    updates.add(loss(net, 0) * float("inf"))
    assert updates.apply(0.01) is None
    torch.testing.assert_close(net.weight, network().weight)
    updates.add(loss(net, 0))
    assert updates.apply(0.01) is not None
    assert bool(torch.isfinite(net.weight).all())


def test_no_batch_moves_nothing_and_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Updates(network(), replace(SETTINGS, batches=0))
