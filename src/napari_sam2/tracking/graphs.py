"""Calls of the network that are recorded once for each shape and then replayed as a whole: CUDA graphs.

A frame of hundreds of small kernels is bound by how fast they are launched, not by what they compute. A recorded call
is launched as one. It always reads the same memory and writes the same, so what goes in is copied there, and what comes
out is copied away before the next replay.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

#: Set to 0 to launch every kernel by itself, on GPUs too.
GRAPHS_VARIABLE = "NAPARI_SAM2_GRAPHS"
#: A call is recorded when a shape comes for the third time: what comes once or twice is not worth it, and by then
#: everything that is computed once and kept has been computed.
EAGER_CALLS = 2
#: Shapes that are kept; each holds the memory of its inputs and intermediate results.
MOST_RECORDED = 32

Tensors = Sequence[Tensor]
Call = Callable[..., tuple[Tensor, ...]]
Key = tuple[object, ...]


@dataclass
class Recorded:
    """A call that can be replayed: where it reads, where it writes, and what makes it happen."""

    inputs: list[Tensor]
    outputs: tuple[Tensor, ...]
    replay: Callable[[], object]


class Backend(Protocol):
    """Records calls on some device."""

    def record(self, call: Call, inputs: list[Tensor]) -> Recorded:
        """Record a call that reads `inputs` and nothing else that changes."""


class CudaBackend:
    """CUDA graphs, all in one memory pool, since no two of them run at once."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, call: Call, inputs: list[Tensor]) -> Recorded:
        """Run the call once on a stream of its own, as torch asks for, then record it."""
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            call(*inputs)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Only what this thread does counts: another one may be uploading the next frame.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            outputs = call(*inputs)
        return Recorded(inputs, outputs, graph.replay)


def backend_for(device: torch.device) -> Backend | None:
    """What records calls on a device; None where nothing does, or where it is switched off."""
    if device.type != "cuda" or os.environ.get(GRAPHS_VARIABLE, "1").strip().lower() in ("0", "false", "off", "no"):
        return None
    return CudaBackend(device)


class Replayer:
    """Runs calls, and replays those that come again and again with the same shapes.

    Parameters
    ----------
    backend
        What records; None runs every call as it is.
    """

    def __init__(self, backend: Backend | None) -> None:
        self._backend = backend
        self._times: dict[Key, int] = {}
        self._recorded: dict[Key, Recorded] = {}

    @property
    def active(self) -> bool:
        """Whether anything is recorded."""
        return self._backend is not None

    def __len__(self) -> int:
        return len(self._recorded)

    def forget(self) -> None:
        """Give back the memory of everything recorded, as when memory has run out."""
        self._times.clear()
        self._recorded.clear()

    def run(self, name: object, call: Call, tensors: Tensors) -> tuple[Tensor, ...]:
        """Run ``call(*tensors)``.

        Parameters
        ----------
        name
            What the call is besides its tensors: calls of one name and of tensors of the same shapes are the same.
        call
            Gives tensors from tensors, and reads and changes nothing else.
        tensors
            What it reads.

        Returns
        -------
        tuple of Tensor
            The caller's own.
        """
        if self._backend is None:
            return call(*tensors)
        key = (name, *((t.shape, t.dtype) for t in tensors))  # what is copied may lie in any order
        recorded = self._recorded.get(key)
        if recorded is None:
            self._times[key] = self._times.get(key, 0) + 1
            if self._times[key] <= EAGER_CALLS or len(self._recorded) >= MOST_RECORDED:
                return call(*tensors)
            recorded = self._record(key, call, tensors)
            if recorded is None:
                return call(*tensors)
        for own, given in zip(recorded.inputs, tensors, strict=True):
            own.copy_(given)
        recorded.replay()
        return tuple(out.clone(memory_format=torch.preserve_format) for out in recorded.outputs)

    def _record(self, key: Key, call: Call, tensors: Tensors) -> Recorded | None:
        backend = self._backend
        if backend is None:
            return None
        try:
            own = [t.clone(memory_format=torch.preserve_format) for t in tensors]
            self._recorded[key] = backend.record(call, own)
        except Exception as error:  # noqa: BLE001 whatever it is: without recordings everything works, only slower
            self._backend = None
            self.forget()
            logger.warning(
                "calls of the network cannot be recorded on this device, so they run one by one, which is slower (%s). "
                "Set %s=0 to leave it at that without this message.",
                error,
                GRAPHS_VARIABLE,
            )
        return self._recorded.get(key)
