"""The network at work on a movie: masks from prompts, masks from memory, memories from masks. Batches of cells only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.network import Prompts, Sam2
from napari_sam2.network.config import TOKEN_STRIDE
from napari_sam2.network.memory_encoder import MASK_BIAS, MASK_SCALE
from napari_sam2.network.model import FEEDBACK_CLAMP, upscale_logits
from napari_sam2.network.prompt_encoder import (
    ABSENT,
    BACKGROUND,
    BOX_BOTTOM_RIGHT,
    BOX_TOP_LEFT,
    FOREGROUND,
)
from napari_sam2.tracking.arbitrate import suppress_losers
from napari_sam2.tracking.features import FeatureSource, WindowFeatures
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.memory import MemoryBank
from napari_sam2.tracking.prompts import FramePrompts, Round
from napari_sam2.tracking.resample import LOGIT_STRIDE, mask_to_window
from napari_sam2.tracking.settings import Settings

IntArray = npt.NDArray[np.int64]

#: Object logit that a prompted cell has at least: whoever clicks on a cell knows that it is there.
PROMPTED_LOGIT = 1.0


@dataclass
class Masks:
    """Masks of N cells on one frame.

    Parameters
    ----------
    origins
        (N, 2) first token of each window.
    logits_nhw
        (N, 4h, 4w) float32 logits at stride 4.
    iou_n, object_logits_n
        (N,) predicted IoU, and object score logits.
    pointers_nc
        (N, C) object pointers.
    drawn
        Masks in model pixels (16h, 16w) of rows that come straight from a drawn mask, by row.
    """

    origins: IntArray
    logits_nhw: Tensor
    iou_n: Tensor
    object_logits_n: Tensor
    pointers_nc: Tensor
    drawn: dict[int, Tensor]

    def row(self, i: int) -> Masks:
        """Return the masks of one cell, as a batch of one."""
        at = slice(i, i + 1)
        drawn = {0: self.drawn[i]} if i in self.drawn else {}
        return Masks(
            self.origins[at], self.logits_nhw[at], self.iou_n[at], self.object_logits_n[at], self.pointers_nc[at], drawn
        )


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
    """

    def __init__(self, model: Sam2, features: FeatureSource, settings: Settings) -> None:
        self.model = model
        self.features = features
        self.settings = settings

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
        )

    @torch.inference_mode()
    def from_prompts(
        self,
        geometry: Geometry,
        frame: int,
        prompts: Sequence[FramePrompts],
        before: Masks | None = None,
        conditioned: Tensor | None = None,
    ) -> Masks:
        """Segment prompted cells.

        Parameters
        ----------
        geometry
            The field.
        frame
            The frame all the cells are prompted on.
        prompts
            What was said about each of the N cells.
        before
            Masks that the first rounds correct (the published way of correcting; ours keeps them with the prompts).
        conditioned
            (N, C, h, w) memory-conditioned features to decode from; raw ones when None.
        """
        if len(prompts) > self.settings.chunk:
            step = self.settings.chunk
            return join_masks(
                [self.from_prompts(geometry, frame, prompts[i : i + step]) for i in range(0, len(prompts), step)]
            )
        anchors = geometry.to_model([p.anchor() for p in prompts])
        origins = geometry.place_windows(anchors) if before is None else before.origins
        features = self.features.windows(geometry, frame, origins)
        source = self.model.without_memory(features.stride16) if conditioned is None else conditioned
        n, size = len(prompts), geometry.window_tokens
        drawn_rows = [i for i, p in enumerate(prompts) if p.mask is not None]
        masks = Masks(
            origins,
            torch.zeros(n, 4 * size[0], 4 * size[1], device=self.model.device),
            torch.zeros(n, device=self.model.device),
            torch.zeros(n, device=self.model.device),
            torch.zeros(n, self.model.config.width, device=self.model.device, dtype=self.model.dtype),
            {},
        )
        if drawn_rows:
            self._take_drawn(geometry, masks, features, drawn_rows, prompts)
        feedback, has_feedback = self._first_feedback(geometry, origins, prompts, before)
        for turn in range(max(len(p.rounds) for p in prompts)):
            rows = [i for i, p in enumerate(prompts) if len(p.rounds) > turn]
            self._decode_round(geometry, masks, features, source, rows, prompts, turn, feedback, has_feedback)
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
        found: list[Masks] = []
        conditioned = torch.empty(0)
        for i in range(0, len(rows), self.settings.chunk):
            part, where = rows[i : i + self.settings.chunk], origins[i : i + self.settings.chunk]
            features = self.features.windows(geometry, frame, where)
            memory = bank.look(part, frame, step, where)
            conditioned = self.model.attend(features.stride16, memory)
            embedding = self.model.embed_prompts(Prompts.none(1, self.model.device), geometry.window_tokens)
            output = self.model.decode(conditioned, features.stride8, features.stride4, embedding)
            chosen = self.model.select(output, torch.ones(len(part), dtype=torch.bool, device=self.model.device))
            found.append(
                Masks(
                    where,
                    chosen.logits_nhw.float(),
                    chosen.iou_n,
                    chosen.object_logits_n.float(),
                    chosen.pointer_nc,
                    {},
                )
            )
        return join_masks(found), conditioned

    @torch.inference_mode()
    def memories(self, geometry: Geometry, frame: int, masks: Masks, prompted: bool) -> Tensor:
        """Encode the memories (N, Cm, h, w) of masks; hard masks where the cells were prompted."""
        logits = masks.logits_nhw if self.settings.reference else suppress_losers(masks.logits_nhw, masks.origins)
        out = []
        for i in range(0, len(logits), self.settings.chunk):
            part = slice(i, i + self.settings.chunk)
            full = upscale_logits(logits[part])
            for row, mask in masks.drawn.items():
                if i <= row < i + len(full) and not self.settings.reference:
                    full[row - i] = torch.where(mask >= 0.5, -MASK_BIAS, MASK_BIAS)
            features = self.features.windows(geometry, frame, masks.origins[part])
            hard = torch.full((len(full),), prompted, device=full.device)
            out.append(self.model.encode_memory(features.stride16, full, masks.object_logits_n[part], hard))
        return torch.cat(out)

    def centres(self, geometry: Geometry, masks: Masks, fallback: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Centres of mass (N, 2) of the masks in model pixels; the fallback where there is no mask."""
        positive = (masks.logits_nhw > 0).float()
        area = positive.sum((1, 2))
        centres = []
        for axis in (1, 2):
            at = torch.arange(positive.shape[axis], device=positive.device, dtype=torch.float32)
            centres.append((positive.sum(3 - axis) * at).sum(1) / area.clamp(min=1))
        inside = torch.stack(centres, dim=1).cpu().numpy() * LOGIT_STRIDE + (LOGIT_STRIDE - 1) / 2
        found = inside + masks.origins * TOKEN_STRIDE
        return np.where((area > 0).cpu().numpy()[:, None], found, fallback)

    def _take_drawn(
        self,
        geometry: Geometry,
        masks: Masks,
        features: WindowFeatures,
        rows: list[int],
        prompts: Sequence[FramePrompts],
    ) -> None:
        """Take drawn masks as they are; only the pointer is computed."""
        covers = [
            mask_to_window(mask, geometry, masks.origins[i]).to(self.model.device)
            for i in rows
            if (mask := prompts[i].mask) is not None
        ]
        hard = torch.stack([(cover >= 0.5).float() for cover in covers])
        at = torch.tensor(rows, device=self.model.device)
        chosen = self.model.mask_as_output(features.stride16[at], features.stride8[at], features.stride4[at], hard)
        masks.logits_nhw[at] = chosen.logits_nhw.float()
        masks.iou_n[at] = chosen.iou_n.float()
        masks.object_logits_n[at] = chosen.object_logits_n.float()
        masks.pointers_nc[at] = chosen.pointer_nc
        masks.drawn.update({i: cover for i, cover in zip(rows, covers, strict=True) if not prompts[i].rounds})

    def _first_feedback(
        self, geometry: Geometry, origins: IntArray, prompts: Sequence[FramePrompts], before: Masks | None
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, 4h, 4w) that the first round refines, and which rows have any."""
        h, w = geometry.window_tokens
        feedback = torch.zeros(len(prompts), 4 * h, 4 * w, device=self.model.device)
        has = torch.zeros(len(prompts), dtype=torch.bool, device=self.model.device)
        if before is not None:
            return before.logits_nhw.clamp(-FEEDBACK_CLAMP, FEEDBACK_CLAMP), ~has
        for i, p in enumerate(prompts):
            if p.start is not None and p.rounds:
                cover = mask_to_window(p.start, geometry, origins[i])
                low = F.interpolate(
                    (cover * MASK_SCALE + MASK_BIAS)[None, None],
                    scale_factor=1 / LOGIT_STRIDE,
                    mode="bilinear",
                    align_corners=False,
                    antialias=True,
                )
                feedback[i] = low[0, 0].to(self.model.device)
                has[i] = True
        return feedback, has

    def _decode_round(
        self,
        geometry: Geometry,
        masks: Masks,
        features: WindowFeatures,
        source: Tensor,
        rows: list[int],
        prompts: Sequence[FramePrompts],
        turn: int,
        feedback: Tensor,
        has_feedback: Tensor,
    ) -> None:
        """Decode one round of the rows that have it, and feed its logits to their next."""
        device = self.model.device
        at = torch.tensor(rows, device=device)
        points, labels, count = _points(
            [_window_points(prompts[i].rounds[: turn + 1], geometry, masks.origins[i]) for i in rows], device
        )
        asked = Prompts(points, labels)
        if bool(has_feedback[at].any()):
            asked.mask_logits_nhw, asked.has_mask_n = feedback[at], has_feedback[at]
        embedding = self.model.embed_prompts(asked, geometry.window_tokens)
        output = self.model.decode(source[at], features.stride8[at], features.stride4[at], embedding)
        if not self.settings.reference:
            positive = torch.tensor([_says_present(prompts[i], turn) for i in rows], device=device)
            raised = output.object_logits_n.clamp(min=PROMPTED_LOGIT)
            output.object_logits_n = torch.where(positive, raised, output.object_logits_n)
        chosen = self.model.select(output, count <= 1)
        masks.logits_nhw[at] = chosen.logits_nhw.float()
        masks.iou_n[at] = chosen.iou_n.float()
        masks.object_logits_n[at] = chosen.object_logits_n.float()
        masks.pointers_nc[at] = chosen.pointer_nc
        feedback[at] = chosen.logits_nhw.float().clamp(-FEEDBACK_CLAMP, FEEDBACK_CLAMP)
        has_feedback[at] = True


def _says_present(prompts: FramePrompts, turn: int) -> bool:
    """Whether the prompts up to a round point at the cell itself and not only at what it is not."""
    said = prompts.rounds[: turn + 1]
    return prompts.mask is not None or any(r.box is not None or any(c[2] for c in r.clicks) for r in said)


def _window_points(
    rounds: Sequence[Round], geometry: Geometry, origin: IntArray
) -> tuple[list[list[float]], list[int]]:
    """Points (x, y) in model pixels of the window, and their labels: the last box first, then all clicks."""
    boxes = [r.box for r in rounds if r.box is not None]
    at: list[tuple[float, float]] = []
    labels: list[int] = []
    if boxes:
        at += boxes[-1]
        labels += [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT]
    for y, x, foreground in (click for r in rounds for click in r.clicks):
        at.append((y, x))
        labels.append(FOREGROUND if foreground else BACKGROUND)
    model = geometry.to_model(at) - origin * TOKEN_STRIDE
    return model[:, ::-1].tolist(), labels


def _points(said: list[tuple[list[list[float]], list[int]]], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Pad points to one length: (N, P, 2), labels (N, P), and how many each cell has (N,)."""
    longest = max(len(labels) for _, labels in said)
    points = torch.zeros(len(said), longest, 2)
    labels = torch.full((len(said), longest), ABSENT, dtype=torch.long)
    for i, (xy, kinds) in enumerate(said):
        points[i, : len(kinds)] = torch.tensor(xy)
        labels[i, : len(kinds)] = torch.tensor(kinds)
    count = torch.tensor([len(kinds) for _, kinds in said])
    return points.to(device), labels.to(device), count.to(device)


def join_masks(parts: Sequence[Masks]) -> Masks:
    """Put the masks of several groups of cells into one batch."""
    if len(parts) == 1:
        return parts[0]
    drawn: dict[int, Tensor] = {}
    offset = 0
    for part in parts:
        drawn.update({offset + row: mask for row, mask in part.drawn.items()})
        offset += len(part.origins)
    return Masks(
        np.concatenate([p.origins for p in parts]),
        torch.cat([p.logits_nhw for p in parts]),
        torch.cat([p.iou_n for p in parts]),
        torch.cat([p.object_logits_n for p in parts]),
        torch.cat([p.pointers_nc for p in parts]),
        drawn,
    )
