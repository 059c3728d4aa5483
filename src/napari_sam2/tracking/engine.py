"""The network at work on a movie: masks from prompts, masks from memory, memories from masks. Batches of cells only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.network import Sam2
from napari_sam2.network.memory_encoder import MASK_BIAS
from napari_sam2.network.model import upscale_logits
from napari_sam2.tracking.arbitrate import suppress_losers
from napari_sam2.tracking.features import FeatureSource
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.lanes import lanes, side_by_side
from napari_sam2.tracking.masks import Masks, join_masks
from napari_sam2.tracking.memory import MemoryBank
from napari_sam2.tracking.mirrors import MIRRORS, mirror_origins
from napari_sam2.tracking.prompting import Prompter
from napari_sam2.tracking.prompts import FramePrompts
from napari_sam2.tracking.settings import Settings

IntArray = npt.NDArray[np.int64]
T = TypeVar("T")

#: Cells in one batch on a CPU: enough to make up for what a call costs, and few enough for its intermediate results.
CPU_CHUNK = 36
#: Cells in a batch so small that a single CPU thread is quicker.
ONE_THREAD = 4
#: Cells that a batch has at least where a frame's cells are shared out among lanes.
FEWEST = 2


class Engine:
    """Runs the network on windows of a movie.

    Parameters
    ----------
    model
        In eval mode.
    features
        Where features come from.
    settings
        How to track.

    Attributes
    ----------
    chunk
        Most cells in work at once, in one batch or in several side by side (`lanes`); halved whenever the device runs
        out of memory.
    """

    def __init__(self, model: Sam2, features: FeatureSource, settings: Settings) -> None:
        self.model = model
        self.features = features
        self.calls = features.calls
        self.settings = settings
        self.chunk = settings.chunk
        self._prompter = Prompter(model, trusting=not settings.reference, tidy=settings.tidy)
        self._mirrored = [features.mirrored(mirror) for mirror in MIRRORS] if settings.mirrors else []

    @property
    def _laned(self) -> bool:
        """Whether batches are computed side by side.

        Whole fields are not: they are large enough for many threads to work on one together. Nor are recorded calls,
        which all read and write the same memory.
        """
        on_cpu = self.model.device.type == "cpu"
        return on_cpu and self.settings.window is not None and not self.calls.replayer.active

    def bank(self, geometry: Geometry, cells: int, conditioning: int) -> MemoryBank:
        """Make an empty memory bank for a number of cells."""
        frames = self.features.movie.n_frames
        history = frames if self.settings.reference else None
        return MemoryBank(
            self.model.config,
            cells,
            geometry.window_tokens,
            frames,
            conditioning,
            history,
            self.model.device,
            self.model.dtype,
            keep_keys=self.settings.window is not None,
            recent=self.settings.recent,
        )

    @torch.inference_mode()
    def from_prompts(
        self,
        geometry: Geometry,
        frame: int,
        prompts: Sequence[FramePrompts],
        before: Masks | None = None,
        conditioned: Tensor | None = None,
        rough: bool = False,
    ) -> Masks:
        """Segment cells that are prompted on a frame; see `Prompter.segment`.

        `rough` masks serve to measure the cells: they are never looked at in a mirror.
        """
        centres = geometry.to_model([p.anchor() for p in prompts])
        origins = geometry.place_windows(centres) if before is None else before.origins
        self.features.prepare(geometry, frame, origins)

        def run(part: slice) -> Masks:
            features = self.features.windows(geometry, frame, origins[part])
            return self._prompter.segment(geometry, origins[part], features, prompts[part], before, conditioned)

        masks = join_masks(self._in_chunks(len(prompts), run))
        asked = [i for i, p in enumerate(prompts) if p.rounds]  # what is drawn is as it is drawn
        if not self._mirrored or rough or not asked:
            return masks
        said, where = [prompts[i] for i in asked], origins[asked]
        others = [self._in_mirror(source, geometry, frame, where, said) for source in self._mirrored]
        masks.replace(asked, self._prompter.agree(geometry, said, masks.take(asked), others))
        return masks

    def _in_mirror(
        self, source: FeatureSource, geometry: Geometry, frame: int, origins: IntArray, prompts: Sequence[FramePrompts]
    ) -> Masks:
        """Segment prompted cells in the mirrored frame; the masks are as in the plain one."""
        size, mirror = geometry.window_tokens, source.mirror
        reversed_n2 = mirror_origins(origins, geometry.tokens, size, mirror)
        source.prepare(geometry, frame, reversed_n2)

        def run(part: slice) -> Masks:
            features = source.windows(geometry, frame, reversed_n2[part])
            return self._prompter.segment(geometry, origins[part], features, prompts[part], mirror=mirror)

        masks = join_masks(self._in_chunks(len(prompts), run))
        source.release()
        return masks

    @torch.inference_mode()
    def from_memory(
        self, geometry: Geometry, frame: int, step: int, bank: MemoryBank, rows: IntArray, origins: IntArray
    ) -> tuple[Masks, Tensor]:
        """Segment cells from what is remembered of them.

        Parameters
        ----------
        geometry, frame
            Where.
        step
            +1 forward in time, -1 backward.
        bank, rows
            The memories, and the N cells' rows in them.
        origins
            (N, 2) windows of the cells.

        Returns
        -------
        masks
            Of the N cells.
        conditioned
            (N, C, h, w) features they were decoded from; of the last chunk only, for the reference mode's corrections.
        """
        self.features.prepare(geometry, frame, origins)

        def run(part: slice) -> tuple[Masks, Tensor]:
            where = origins[part]
            features = self.features.windows(geometry, frame, where)
            chosen, conditioned = self.calls.segment(features, bank.look(rows[part], frame, step, where))
            return Masks.of(where, chosen), conditioned

        parts = self._in_chunks(len(rows), run)
        return join_masks([masks for masks, _ in parts]), parts[-1][1]

    @torch.inference_mode()
    def memories(self, geometry: Geometry, frame: int, masks: Masks, prompted: bool) -> Tensor:
        """Encode the memories (N, Cm, h, w) of masks; hard masks where the cells were prompted.

        What is remembered of a prompted cell depends on its own prompts alone, never on who else was prompted.
        """
        logits = masks.logits_nhw
        if self.settings.neighbours and not prompted:
            logits = suppress_losers(logits, masks.origins)

        def run(part: slice) -> Tensor:
            mine = logits[part]
            drawn = masks.drawn.keys() & set(range(part.start, part.stop))
            if drawn and not self.settings.reference:  # which goes through stride 4 and loses small masks on the way
                mine = upscale_logits(mine)
                for row in drawn:
                    mine[row - part.start] = torch.where(masks.drawn[row] >= 0.5, -MASK_BIAS, MASK_BIAS)
            stride16 = self.features.coarse_windows(geometry, frame, masks.origins[part])
            hard = torch.full((len(mine),), prompted, device=mine.device)
            return self.calls.remember(stride16, mine, masks.object_logits_n[part], hard)

        return torch.cat(self._in_chunks(len(logits), run))

    @torch.inference_mode()
    def keys(self, memories: Tensor) -> Tensor | None:
        """Keys (layers, N, h * w, C) of memories where the bank keeps them: for windows, whose keys are small."""
        return None if self.settings.window is None else self.model.memory_attention.memory_keys(memories)

    def _in_chunks(self, cells: int, run: Callable[[slice], T]) -> list[T]:
        """Run batches of at most `chunk` cells at once; what does not fit into memory is tried again with half of that.

        Raises
        ------
        MemoryError
            If a single cell does not fit.
        """
        out: list[T] = []
        at, last_try = 0, False
        while at < cells:
            parts, at_once = self._parts(at, cells)
            work = [partial(run, part) for part in parts]
            small = parts[0].stop - parts[0].start <= ONE_THREAD
            results = side_by_side(work, small) if self._laned else (call() for call in work)
            try:
                with closing(results):  # so that nothing goes on where this is interrupted
                    for part, found in zip(parts, results, strict=True):
                        out.append(found)
                        at, last_try = part.stop, False
            except (MemoryError, RuntimeError) as error:  # torch's own errors are of the second kind
                last_try = last_try or not self.calls.replayer.active
                self.calls.make_room(error, "one cell" if at_once == 1 and last_try else "")
                last_try = at_once == 1  # it may fit without what was recorded, or while it is not recorded itself
                self.chunk = max(1, at_once // 2)
        return out

    def _parts(self, first: int, cells: int) -> tuple[list[slice], int]:
        """Batches of about one size (small ones are slow), and how many cells are in work at once."""
        left = cells - first
        wide = min(lanes(), self.chunk) if self._laned else 1
        most = self.chunk // wide
        if self.model.device.type == "cpu":
            most = min(most, CPU_CHUNK)
        n = max(-(-left // most), min(wide, left // FEWEST))
        if n > wide:
            n = min(left, -(-n // wide) * wide)  # so that no lane is left over at the end
        cuts = [first + left * i // n for i in range(n + 1)]
        parts = [slice(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
        return parts, min(left, wide * max(part.stop - part.start for part in parts))
