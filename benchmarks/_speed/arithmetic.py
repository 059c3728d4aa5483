"""Arithmetic that a frame needs, and how fast this machine multiplies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmarks._speed.contenders import synchronise
from napari_sam2.network import MemoryBatch, Sam2Config

#: Parts that are counted from the operations they run; attention to memory is counted by formula, because there the
#: code may pad or keep things for speed, which is no arithmetic that the network needs.
COUNTED = ("encode", "decode", "memory")


class Counter:
    """Floating-point operations by part; a multiplication and an addition are two."""

    def __init__(self, config: Sam2Config) -> None:
        self.config = config
        self.flops = dict.fromkeys((*COUNTED, "attend"), 0.0)

    @contextmanager
    def __call__(self, part: str, arguments: tuple[Any, ...]) -> Iterator[None]:
        """Count what runs inside."""
        if part == "attend":
            tokens, memory = arguments[0], arguments[1]
            self.flops["attend"] += attend_flops(
                self.config, tokens.shape[0], tokens.shape[2] * tokens.shape[3], memory
            )
        if part not in COUNTED:
            yield
            return
        with FlopCounterMode(display=False, custom_mapping=_cpu_attention()) as counter:
            yield
        self.flops[part] += counter.get_total_flops()

    def shared(self, wide: int) -> AbstractContextManager[None]:
        """Operations are as many in lanes as elsewhere."""
        return nullcontext()


def attend_flops(config: Sam2Config, cells: int, tokens: int, memory: MemoryBatch | None) -> float:
    """Operations of the memory attention, each of them done once.

    Counted: queries, keys of pointers, keys of one new memory a cell (the others are kept), both products of both
    attentions with values as narrow as the memories, those of values and output as one, and the feed-forward part.

    Parameters
    ----------
    config
        Of the network.
    cells, tokens
        Cells, and tokens of a window.
    memory
        What they look at.
    """
    if memory is None:
        return 0.0
    wide, narrow = config.width, config.memory_width
    pointers = memory.pointers_npc.shape[1] * (wide // narrow)
    spatial = memory.spatial_nmchw.shape[1]
    keys = spatial * tokens + pointers
    new_keys = (1 if memory.slot_keys is not None else spatial) * tokens + pointers
    around = 3 * tokens * wide * wide + 2 * tokens * tokens * wide
    back = tokens * wide * wide + tokens * narrow * wide + tokens * keys * (wide + narrow) + new_keys * narrow * wide
    forward = 2 * tokens * wide * config.memory_ffn
    return 2.0 * config.memory_layers * cells * (around + back + forward)


def matmul_rate(side: int, dtype: torch.dtype, device: torch.device | str, seconds: float = 1.0) -> float:
    """Floating-point operations a second of a large matrix product: the best of as many as fit into the time."""
    a = torch.randn(side, side, device=device).to(dtype)
    b = torch.randn(side, side, device=device).to(dtype)
    best, until = 0.0, time.perf_counter() + seconds
    runs = 1 if torch.device(device).type == "cpu" else 10
    while time.perf_counter() < until or not best:
        synchronise(device)
        began = time.perf_counter()
        for _ in range(runs):
            torch.mm(a, b)
        synchronise(device)
        best = max(best, runs * 2.0 * side**3 / (time.perf_counter() - began))
    return best


def _cpu_attention() -> dict[Any, Any]:
    """The one attention kernel that torch's counter does not know."""
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def count(q: Any, k: Any, v: Any, *rest: Any, out_shape: Any = None, **named: Any) -> int:
        return int(sdpa_flop_count(q, k, v))

    return {kernel: count}
