"""A training step's forward pass: prompted rows, corrections, and cells followed through clips, all cells at once.

It goes the way of the tracking engine: fields are encoded once, every cell looks at its own window on whole tokens,
memories keep absolute token coordinates, and what is remembered is the network's own mask.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from napari_sam2.network.mask_decoder import DecoderOutput
from napari_sam2.network.model import FEEDBACK_CLAMP, ImageFeatures, Sam2, Selection, normalise, upscale_logits
from napari_sam2.network.prompt_encoder import Prompts
from napari_sam2.network.windows import gather_windows
from napari_sam2.tracking.hold import hold_clicks
from napari_sam2.training.batch import Batch
from napari_sam2.training.batches import SOFT
from napari_sam2.training.dense import DenseHead, dense_loss
from napari_sam2.training.losses import LossWeights, cell_losses
from napari_sam2.training.prompts import ABSENT, correction_clicks
from napari_sam2.training.remembered import Slot, Timing, draw_timing, memory_on
from napari_sam2.training.step import StepOutput, Windows, collect, replace_rows

CORRECTED_SHARE = 0.5  # of prompted rows that get a correction click, and of those that get one more
CORRECTIONS = 3  # rounds of them
CORRECTED_CLIPS = 0.25  # of batches in which tracking is corrected on one frame
CORRECTED_BELOW = 0.9  # IoU under which a followed cell is corrected


class Trainee(nn.Module):
    """The network and its auxiliary head, and the forward pass of a step.

    Parameters
    ----------
    model : Sam2
    window : int
        Side of a cell's window, tokens.
    """

    def __init__(self, model: Sam2, window: int = 16) -> None:
        super().__init__()
        self.model = model
        self.head = DenseHead(model.config)
        self._window = window

    def forward(
        self, batch: Batch, weights: LossWeights, generator: torch.Generator, correct: bool = True
    ) -> StepOutput:
        """Run a step.

        Parameters
        ----------
        batch : Batch
        weights : LossWeights
        generator : torch.Generator
            Decides who is corrected and where; on the CPU.
        correct : bool
            Simulate corrections (off for validation).
        """
        images = batch.images[:, None].float().div(255).expand(-1, 3, -1, -1)
        images = normalise(images).contiguous(memory_format=torch.channels_last)
        features = self.model.encode_image(images)
        dense = dense_loss(self.head(features.stride4, features.stride8, features.stride16), batch.dense)
        output = StepOutput(weights.dense * dense, {"dense": dense.detach()})
        if len(batch.row_image):
            windows = self._gather(features, batch.row_image, batch.row_origin)
            rows, targets = self._prompted(windows, batch, weights, generator, correct, output)
            if len(batch.track_first):
                self._follow(features, windows, rows, targets, batch, weights, generator, correct, output)
        return output

    def _gather(self, features: ImageFeatures, image_n: Tensor, origin_n2: Tensor) -> Windows:
        n = self._window
        return Windows(
            gather_windows(features.stride16, image_n, origin_n2, n),
            gather_windows(features.stride8, image_n, origin_n2 * 2, n * 2),
            gather_windows(features.stride4, image_n, origin_n2 * 4, n * 4),
            origin_n2,
        )

    def _decode(self, features: Tensor, stride8: Tensor, stride4: Tensor, prompts: Prompts) -> DecoderOutput:
        """Decode windows. On a CPU the plain attention is a fifth faster than the fused one for a dozen tokens."""
        plain = features.device.type == "cpu"
        with sdpa_kernel(SDPBackend.MATH) if plain else nullcontext():
            embedded = self.model.embed_prompts(prompts, (self._window, self._window))
            return self.model.decode(features, stride8, stride4, embedded)

    def _prompted(
        self,
        windows: Windows,
        batch: Batch,
        weights: LossWeights,
        generator: torch.Generator,
        correct: bool,
        output: StepOutput,
    ) -> tuple[Selection, Tensor]:
        """First prompts of all rows and a round of corrections; returns the rows' final answers and soft targets."""
        targets = batch.row_target.float() / SOFT
        present = torch.ones(len(targets), dtype=torch.bool, device=targets.device)
        single = (batch.row_labels != ABSENT).sum(1) <= 1
        prompts = Prompts(batch.row_points, batch.row_labels)
        raw = self.model.without_memory(windows.stride16)
        decoded = self._decode(raw, windows.stride8, windows.stride4, prompts)
        # A mask prompt is its own answer: its row is decoded along, but does not count. Nor does what a single click
        # gives of a cell that somebody draws in an unusual way, which that click does not tell.
        counted = (~batch.row_use_mask & ~(batch.row_redrawn & single)).nonzero()[:, 0]
        losses = cell_losses(
            decoded.logits_nmhw[counted],
            decoded.iou_nm[counted],
            decoded.object_logits_n[counted],
            targets[counted],
            present[counted],
            single[counted],
            weights,
        )
        collect(output, "first", losses, 1.0)
        answer = self.model.select(decoded, single & self.model.config.multimask_clicks)
        output.row_logits = answer.logits_nhw
        if bool(batch.row_use_mask.any()):
            given = batch.row_use_mask.nonzero()[:, 0]
            masks = (upscale_logits(targets[given]) > 0.5).float()
            fixed = self.model.mask_as_output(
                windows.stride16[given], windows.stride8[given], windows.stride4[given], masks
            )
            answer = replace_rows(answer, given, fixed)
        if not correct:
            return answer, targets
        return self._corrected(
            raw, windows, prompts, decoded, answer, targets, batch, weights, generator, output
        ), targets

    def _corrected(
        self,
        raw: Tensor,
        windows: Windows,
        prompts: Prompts,
        decoded: DecoderOutput,
        answer: Selection,
        targets: Tensor,
        batch: Batch,
        weights: LossWeights,
        generator: torch.Generator,
        output: StepOutput,
    ) -> Selection:
        """Rounds of corrections: each gives some of the rows of the round before one more click, where they err most.

        Each round sees the mask of the one before as a user sees it, who goes on until a stubborn cell is right.
        """
        chosen = (~batch.row_use_mask).nonzero()[:, 0]
        points, labels, raw = prompts.points_npx2[chosen], prompts.labels_np[chosen], raw[chosen]
        shown = decoded.logits_nmhw[chosen, answer.index_n[chosen]].detach()
        for turn in range(CORRECTIONS):
            lucky = torch.rand(len(chosen), generator=generator).to(targets.device) < CORRECTED_SHARE
            lucky |= batch.row_redrawn[chosen]  # in corrections lies what there is to learn from them
            if not bool(lucky.any()):
                break
            chosen, raw, shown = chosen[lucky], raw[lucky], shown[lucky]
            target = targets[chosen]
            click, sign = correction_clicks(shown, target, generator)
            points = torch.cat((points[lucky], click[:, None]), 1)
            labels = torch.cat((labels[lucky], sign[:, None]), 1)
            given = Prompts(points, labels, shown.clamp(-FEEDBACK_CLAMP, FEEDBACK_CLAMP))
            again = self._decode(raw, windows.stride8[chosen], windows.stride4[chosen], given)
            single = (labels != ABSENT).sum(1) <= 1
            present = torch.ones(len(chosen), dtype=torch.bool, device=targets.device)
            losses = cell_losses(
                again.logits_nmhw, again.iou_nm, again.object_logits_n, target, present, single, weights
            )
            collect(output, f"corrected_{turn + 1}" if turn else "corrected", losses, CORRECTED_SHARE ** (turn + 1))
            better = self.model.select(again, single & self.model.config.multimask_clicks)
            drawn = again.logits_nmhw[torch.arange(len(chosen), device=targets.device), better.index_n]
            with torch.autocast(raw.device.type, enabled=False):  # what is solved for there needs more digits
                shown = hold_clicks(drawn.detach(), points, labels)
            answer = replace_rows(answer, chosen, better)
        return answer

    def _follow(
        self,
        features: ImageFeatures,
        row_windows: Windows,
        rows: Selection,
        row_targets: Tensor,
        batch: Batch,
        weights: LossWeights,
        generator: torch.Generator,
        correct: bool,
        output: StepOutput,
    ) -> None:
        """Remember the prompted frames, then go through the clip frame by frame."""
        length = batch.track_image.shape[1]
        second = batch.track_second
        timing = draw_timing(generator) if correct else Timing()
        start = torch.full_like(second, -timing.before)
        first = self._slot(row_windows, rows, batch.track_first, start, second >= -1)
        slots = [first]
        if bool((second >= 0).any()):
            frame = batch.second_frame * timing.stretch
            slots.append(self._slot(row_windows, rows, second.clamp(min=0), frame, second >= 0))
        corrected_at = -1
        if correct and float(torch.rand((), generator=generator)) < CORRECTED_CLIPS:
            corrected_at = int(torch.randint(1, length, (), generator=generator)) if length > 1 else -1
        logits = [rows.logits_nhw[batch.track_first]]
        scores = [rows.object_logits_n[batch.track_first]]
        count = len(second)
        nothing = Prompts.none(count, second.device)
        multimask = torch.full_like(batch.track_first, self.model.config.multimask_tracking, dtype=torch.bool)
        for t in range(1, length):
            windows = self._gather(features, batch.track_image[:, t], batch.track_origin[:, t])
            target = batch.track_target[:, t].float() / SOFT
            present = batch.track_present[:, t]
            conditioned = self.model.attend(
                windows.stride16, memory_on(slots, t * timing.stretch, windows.origin, self.model.config)
            )
            decoded = self._decode(conditioned, windows.stride8, windows.stride4, nothing)
            tracked = batch.second_frame != t
            losses = cell_losses(
                decoded.logits_nmhw[tracked],
                decoded.iou_nm[tracked],
                decoded.object_logits_n[tracked],
                target[tracked],
                present[tracked],
                multimask[tracked],
                weights,
            )
            collect(output, "follow", losses, 1.0 / (length - 1))
            answer = self.model.select(decoded, multimask)
            logits.append(answer.logits_nhw)
            scores.append(answer.object_logits_n)
            conditioning = torch.zeros_like(tracked)
            if t == corrected_at:
                overlap = torch.zeros(count, device=target.device)
                overlap[tracked] = losses.overlap
                chosen = (present & tracked & (overlap < CORRECTED_BELOW)).nonzero()[:, 0]
                if len(chosen):
                    shown = decoded.logits_nmhw[chosen, answer.index_n[chosen]].detach()
                    points, labels = correction_clicks(shown, target[chosen], generator)
                    prompts = Prompts(points[:, None], labels[:, None], shown.clamp(-FEEDBACK_CLAMP, FEEDBACK_CLAMP))
                    again = self._decode(conditioned[chosen], windows.stride8[chosen], windows.stride4[chosen], prompts)
                    losses = cell_losses(
                        again.logits_nmhw,
                        again.iou_nm,
                        again.object_logits_n,
                        target[chosen],
                        present[chosen],
                        multimask[chosen],
                        weights,
                    )
                    collect(output, "recaptured", losses, 0.5)
                    answer = replace_rows(answer, chosen, self.model.select(again, multimask[chosen]))
                    conditioning[chosen] = True
            if t == length - 1:
                break
            memory = self.model.encode_memory(
                windows.stride16, upscale_logits(answer.logits_nhw.detach()), answer.object_logits_n, conditioning
            )
            frame = torch.full_like(second, t * timing.stretch)
            slots.append(Slot(memory, windows.origin, answer.pointer_nc, frame, conditioning, tracked))
        output.track_logits = torch.stack([x.detach() for x in logits], 1)
        output.track_scores = torch.stack([x.detach() for x in scores], 1)

    def _slot(self, windows: Windows, rows: Selection, index: Tensor, frame: Tensor, valid: Tensor) -> Slot:
        """Remember prompted rows."""
        hard = torch.ones_like(valid)
        memory = self.model.encode_memory(
            windows.stride16[index],
            upscale_logits(rows.logits_nhw[index].detach()),
            rows.object_logits_n[index],
            hard,
        )
        return Slot(memory, windows.origin[index], rows.pointer_nc[index], frame, hard, valid)
