"""The network's calls that every frame is made of. On a GPU they come in a few sizes only, and are replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from napari_sam2.network import ImageFeatures, MemoryBatch, Prompts, Sam2, Selection
from napari_sam2.network.prompt_encoder import PromptEmbedding
from napari_sam2.tracking.graphs import Backend, Replayer, backend_for, is_out_of_memory
from napari_sam2.tracking.sheets import WindowFeatures

#: Batches are filled up to one of these sizes, beyond them to a multiple of the last.
SIZES = (1, 2, 4, 8)


def padded_size(n: int) -> int:
    """The size that a batch of `n` cells is filled up to."""
    return next((size for size in SIZES if n <= size), -(-n // SIZES[-1]) * SIZES[-1])


class NetworkCalls:
    """Segments, remembers and encodes in batches.

    Parameters
    ----------
    model
        In eval mode.
    backend
        What records calls; that of the model's device when None, if there is one.
    """

    def __init__(self, model: Sam2, backend: Backend | None = None) -> None:
        self.model = model
        self.replayer = Replayer(backend or backend_for(model.device))
        self._unprompted: dict[tuple[int, int], PromptEmbedding] = {}

    def make_room(self, error: Exception, last_try: str = "", drop: Callable[[], None] | None = None) -> None:
        """Give back everything that only saves time, where memory ran out.

        Parameters
        ----------
        error
            What came up; raised again if it is something else.
        last_try
            What was tried, in words, where nothing smaller is left to be tried.
        drop
            Lets go of what else can be spared.

        Raises
        ------
        MemoryError
            If that was the last try.
        """
        if not is_out_of_memory(error):
            raise error
        if last_try:
            raise MemoryError(
                f"not even {last_try} fits into the memory of {self.model.device}: close other programs, take a "
                "smaller model, or track on the CPU"
            ) from error
        if drop is not None:
            drop()
        self.replayer.forget()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def encode(self, images_bchw: Tensor) -> ImageFeatures:
        """Features of normalised images; see `Sam2.encode_image`."""
        if not self.replayer.active:
            return self.model.encode_image(images_bchw)

        def call(images: Tensor) -> tuple[Tensor, ...]:
            found = self.model.encode_image(images)
            return found.stride4, found.stride8, found.stride16

        return ImageFeatures(*self.replayer.run("encode", call, [images_bchw]))

    def segment(self, features: WindowFeatures, memory: MemoryBatch | None) -> tuple[Selection, Tensor]:
        """Masks of N cells from what is remembered of them, and the features (N, C, h, w) they were decoded from."""
        maps = [features.stride16, features.stride8, features.stride4]
        size = (maps[0].shape[2], maps[0].shape[3])
        if size not in self._unprompted:  # the same for all cells and frames
            self._unprompted[size] = self.model.embed_prompts(Prompts.none(1, maps[0].device), size)
        nothing = self._unprompted[size]
        if not self.replayer.active or memory is None:
            return self._segment(maps, memory, nothing)
        n = len(maps[0])
        maps, memory = [_filled(m, padded_size(n)) for m in maps], _filled_memory(memory, padded_size(n))
        named, lists = _tensors_of(memory)
        known = {f.name: getattr(memory, f.name) for f in fields(memory) if f.name not in (*named, *lists)}
        # A tensor that is the same for all rows stays so: its rows take no memory, and it is computed with once.
        tensors = [*maps, *named.values(), *(t for own in lists.values() for t in own)]
        shared = [t.stride(0) == 0 and len(t) > 1 for t in tensors]
        lengths = {name: len(own) for name, own in lists.items()}

        def call(*given: Tensor) -> tuple[Tensor, ...]:
            whole = [t.expand(padded_size(n), *t.shape[1:]) if s else t for t, s in zip(given, shared, strict=True)]
            rest = iter(whole[len(maps) :])
            parts: dict[str, object] = {name: next(rest) for name in named}
            parts |= {name: [next(rest) for _ in range(length)] for name, length in lengths.items()}
            chosen, conditioned = self._segment(whole[: len(maps)], MemoryBatch(**known, **parts), nothing)  # type: ignore[arg-type]
            return (*vars(chosen).values(), conditioned)

        name = ("segment", padded_size(n), *known.items(), *lengths.items(), *shared)
        found = self.replayer.run(name, call, [t[:1] if s else t for t, s in zip(tensors, shared, strict=True)])
        *chosen, conditioned = (t[:n] for t in found)
        return Selection(*chosen), conditioned

    def _segment(
        self, maps: Sequence[Tensor], memory: MemoryBatch | None, nothing: PromptEmbedding
    ) -> tuple[Selection, Tensor]:
        conditioned = self.model.attend(maps[0], memory)
        output = self.model.decode(conditioned, maps[1], maps[2], nothing)
        best_of_three = maps[0].new_full((len(maps[0]),), self.model.config.multimask_tracking, dtype=torch.bool)
        return self.model.select(output, best_of_three), conditioned

    def remember(self, stride16: Tensor, logits_nhw: Tensor, object_logits_n: Tensor, hard_n: Tensor) -> Tensor:
        """Memories (N, Cm, h, w) of masks; see `Sam2.encode_memory`."""
        given = [stride16, logits_nhw, object_logits_n, hard_n]
        if not self.replayer.active:
            return self.model.encode_memory(*given)
        n = len(stride16)
        whole = [_filled(t.contiguous() if t.stride(0) == 0 else t, padded_size(n)) for t in given]
        return self.replayer.run("remember", lambda *t: (self.model.encode_memory(*t),), whole)[0][:n]


def _filled(values: Tensor, size: int, axis: int = 0) -> Tensor:
    """Fill an axis up to a size with its last entry; what is computed of that is thrown away."""
    n = values.shape[axis]
    if n == size:
        return values
    if values.stride(axis) == 0:
        return values.narrow(axis, 0, 1).expand(*(size if i == axis else -1 for i in range(values.dim())))
    return values.index_select(axis, torch.arange(size, device=values.device).clamp(max=n - 1))


def _filled_memory(memory: MemoryBatch, size: int) -> MemoryBatch:
    """The same for what is remembered, in one shape for every frame: which windows have moved is not told."""
    whole = replace(memory, moved_k2=None)
    for name, values in _tensors_of(whole)[0].items():
        setattr(whole, name, _filled(values, size))
    if memory.slot_keys is not None:
        whole.slot_keys = [_filled(keys, size, axis=1) for keys in memory.slot_keys]
    return whole


def _tensors_of(memory: MemoryBatch) -> tuple[dict[str, Tensor], dict[str, Sequence[Tensor]]]:
    """Tensors of what is remembered, by name, and lists of tensors."""
    named = {name: value for name, value in vars(memory).items() if isinstance(value, Tensor)}
    lists = {} if memory.slot_keys is None else {"slot_keys": memory.slot_keys}
    return named, lists
