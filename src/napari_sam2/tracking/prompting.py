"""Masks of cells that were prompted on a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.network import Prompts, Sam2, Selection
from napari_sam2.network.config import TOKEN_STRIDE
from napari_sam2.network.memory_encoder import MASK_BIAS, MASK_SCALE
from napari_sam2.network.model import FEEDBACK_CLAMP
from napari_sam2.network.prompt_encoder import ABSENT, BACKGROUND, BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, FOREGROUND
from napari_sam2.tracking.features import WindowFeatures
from napari_sam2.tracking.geometry import Geometry
from napari_sam2.tracking.hold import hold_clicks
from napari_sam2.tracking.level import lower_to_clicks
from napari_sam2.tracking.masks import Masks
from napari_sam2.tracking.mirrors import PLAIN, Mirror, agree, flip, mirror_points
from napari_sam2.tracking.parts import keep_parts, most_interior
from napari_sam2.tracking.prompts import FramePrompts
from napari_sam2.tracking.resample import LOGIT_STRIDE, mask_to_window

IntArray = npt.NDArray[np.int64]
#: Points (x, y) in model pixels of a window, and their labels.
Said = tuple[list[list[float]], list[int]]

#: Object logit that a prompted cell has at least: whoever clicks on a cell knows that it is there.
PROMPTED_LOGIT = 1.0


class Prompter:
    """Segments prompted cells in their windows, one round of prompts after the other.

    Parameters
    ----------
    model
        The network.
    trusting
        Trust the user: a cell is there when it is pointed at, whatever the network says, a correction implies that the
        rest is right, clicks hold (`hold_clicks`), and what is no likelier than a place clicked away goes with it
        (`lower_to_clicks`). The published tracker does none of it.
    tidy
        Drop parts of a mask that nobody pointed at.
    """

    def __init__(self, model: Sam2, trusting: bool, tidy: bool) -> None:
        self.model = model
        self.tidy = tidy
        self.trusting = trusting

    def segment(
        self,
        geometry: Geometry,
        origins: IntArray,
        features: WindowFeatures,
        prompts: Sequence[FramePrompts],
        before: Masks | None = None,
        conditioned: Tensor | None = None,
        mirror: Mirror = PLAIN,
    ) -> Masks:
        """Segment N cells.

        Parameters
        ----------
        geometry
            The field.
        origins
            (N, 2) first token of each cell's window.
        features
            Of the windows.
        prompts
            What was said about each cell.
        before
            Masks that the first rounds correct (the published way of correcting; ours keeps them with the prompts).
        conditioned
            (N, C, h, w) memory-conditioned features to decode from; raw ones when None.
        mirror
            How the features are mirrored; everything else, and the result, is not.
        """
        device, size = self.model.device, geometry.window_tokens
        source = self.model.without_memory(features.stride16) if conditioned is None else conditioned
        masks = Masks.empty(origins, size, self.model.config.width, device, self.model.dtype)
        drawn = [i for i, p in enumerate(prompts) if p.mask is not None]
        if drawn:
            self._take_drawn(geometry, masks, features, drawn, prompts)
        feedback, has_feedback = self._first_feedback(geometry, origins, prompts, before)
        for turn in range(max(len(p.rounds) for p in prompts)):
            rows = [i for i, p in enumerate(prompts) if len(p.rounds) > turn]
            at = torch.tensor(rows, device=device)
            said = [_window_points(prompts[i], turn, geometry, origins[i], self.trusting) for i in rows]
            points, labels, count = _pad_points(said, device)
            asked = Prompts(mirror_points(points, labels, size, mirror), labels)
            if bool(has_feedback[at].any()):
                asked.mask_logits_nhw, asked.has_mask_n = flip(feedback[at], mirror), has_feedback[at]
            maps = source[at], features.stride8[at], features.stride4[at]
            chosen = self._answer(maps, asked, (count <= 1) & self.model.config.multimask_clicks)
            logits = flip(chosen.logits_nhw, mirror)
            if self.trusting:
                logits = self._lowered(logits, maps, points, labels, size, mirror)
            chosen.logits_nhw = self._heed(logits, said, points, labels, size)
            masks.put(at, chosen)
            feedback[at] = chosen.logits_nhw.float().clamp(-FEEDBACK_CLAMP, FEEDBACK_CLAMP)
            has_feedback[at] = True
        return masks

    def _answer(self, maps: Sequence[Tensor], asked: Prompts, best_of_three: Tensor) -> Selection:
        """What the network answers to prompts on windows, of which it gets all three maps."""
        embedding = self.model.embed_prompts(asked, (maps[0].shape[2], maps[0].shape[3]))
        output = self.model.decode(maps[0], maps[1], maps[2], embedding)
        if self.trusting:
            positive = (asked.labels_np > BACKGROUND).any(1)
            raised = output.object_logits_n.clamp(min=PROMPTED_LOGIT)
            output.object_logits_n = torch.where(positive, raised, output.object_logits_n)
        return self.model.select(output, best_of_three)

    def _lowered(
        self,
        logits_nhw: Tensor,
        maps: Sequence[Tensor],
        points: Tensor,
        labels: Tensor,
        size: tuple[int, int],
        mirror: Mirror,
    ) -> Tensor:
        """Masks without what is no likelier than places clicked away, for which the network is asked once more."""
        told = ((labels == BACKGROUND).any(1) & (labels > BACKGROUND).any(1)).nonzero()[:, 0]
        if not len(told):
            return logits_nhw
        points, labels = points[told], labels[told]
        rest = labels.masked_fill(labels == BACKGROUND, ABSENT)
        asked = Prompts(mirror_points(points, rest, size, mirror), rest)
        untold = self._answer([m[told] for m in maps], asked, torch.zeros_like(told, dtype=torch.bool))
        lowered = lower_to_clicks(logits_nhw[told], flip(untold.logits_nhw, mirror), points, labels)
        return logits_nhw.index_copy(0, told, lowered.to(logits_nhw))

    def agree(self, geometry: Geometry, prompts: Sequence[FramePrompts], plain: Masks, others: list[Masks]) -> Masks:
        """Take what several views of N cells agree on, as far as it heeds what was said in the end."""
        masks = agree(plain, others)
        where = zip(prompts, masks.origins, strict=True)
        said = [_window_points(p, len(p.rounds), geometry, origin, self.trusting) for p, origin in where]
        points, labels, _ = _pad_points(said, self.model.device)
        masks.logits_nhw = self._heed(masks.logits_nhw, said, points, labels, geometry.window_tokens)
        return masks

    def _heed(
        self, logits_nhw: Tensor, said: list[Said], points: Tensor, labels: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Bend masks to clicks, and drop what nobody pointed at."""
        if self.trusting:
            logits_nhw = hold_clicks(logits_nhw, points, labels).to(logits_nhw)
        return keep_parts(logits_nhw, _places(said, size), share=0) if self.tidy else logits_nhw

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
        masks.put(at, chosen)
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


def _window_points(prompts: FramePrompts, turn: int, geometry: Geometry, origin: IntArray, implied: bool) -> Said:
    """Points (x, y) in model pixels of the window, and their labels, up to a round: the last box first, then clicks.

    A correction of a mask says nothing of what is right about it. So a click deep inside that mask is implied, as the
    user's first click on the cell would be there too.
    """
    rounds = prompts.rounds[: turn + 1]
    boxes = [r.box for r in rounds if r.box is not None]
    clicks = [click for r in rounds for click in r.clicks]
    at: list[tuple[float, float]] = []
    labels: list[int] = []
    if boxes:
        at += boxes[-1]
        labels += [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT]
    start = prompts.start
    if implied and not boxes and start is not None and start.area:
        top, left = start.origin
        y, x = most_interior(start.crop, [(y - top, x - left) for y, x, foreground in clicks if not foreground])
        at.append((y + top, x + left))
        labels.append(FOREGROUND)
    for y, x, foreground in clicks:
        at.append((y, x))
        labels.append(FOREGROUND if foreground else BACKGROUND)
    model = geometry.to_model(at) - origin * TOKEN_STRIDE
    # What lies outside would be taken for a place on the window's border.
    end = np.array(geometry.window_tokens) * TOKEN_STRIDE - 0.5
    inside: npt.NDArray[np.bool_] = np.all((model >= -0.5) & (model < end), axis=1)
    seen = [i for i, label in enumerate(labels) if inside[i] or label > FOREGROUND] if inside.any() else range(len(at))
    return model[seen, ::-1].tolist(), [labels[i] for i in seen]


def _places(said: list[Said], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Where cells were pointed at: (N, 4h, 4w), the positive clicks and the insides of boxes."""
    places = np.zeros((len(said), 4 * size[0], 4 * size[1]), bool)
    limit = np.array(places.shape[1:]) - 1
    for row, (xy, labels) in enumerate(said):
        at = np.clip(np.array(xy)[:, ::-1] / LOGIT_STRIDE, 0, limit).astype(int)
        if labels[0] == BOX_TOP_LEFT:
            places[row, at[0, 0] : at[1, 0] + 1, at[0, 1] : at[1, 1] + 1] = True
        clicked = at[np.array(labels) == FOREGROUND]
        places[row, clicked[:, 0], clicked[:, 1]] = True
    return places


def _pad_points(said: list[Said], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Pad points to one length: (N, P, 2), labels (N, P), and how many each cell has (N,)."""
    longest = max(len(labels) for _, labels in said)
    points = torch.zeros(len(said), longest, 2)
    labels = torch.full((len(said), longest), ABSENT, dtype=torch.long)
    for i, (xy, kinds) in enumerate(said):
        points[i, : len(kinds)] = torch.tensor(xy)
        labels[i, : len(kinds)] = torch.tensor(kinds)
    count = torch.tensor([len(kinds) for _, kinds in said])
    return points.to(device), labels.to(device), count.to(device)
