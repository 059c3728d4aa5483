"""How much is measured, and with which networks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_sam2.network import CONFIGS, Sam2, Sam2Config
from napari_sam2.tracking import CellTracker, Settings

#: Added to the object score of networks with random weights, which would lose half of their cells otherwise: cells
#: that are not there cost more (they are searched for) or less (they are not remembered) than those that are.
PRESENT_BIAS = 5.0


@dataclass(frozen=True)
class Setup:
    """Sizes of everything; the defaults are those of the full run.

    Parameters
    ----------
    model
        Name or path of the model that users track with.
    architecture
        Published architecture, measured with random weights.
    device
        Where.
    side
        Of the field in pixels.
    reference_cells
        Numbers of cells beside transformers.
    few_cells
        Numbers of cells that the per-object loop and exact mode are measured with; more are extrapolated.
    scaling_cells
        Numbers of cells in one field.
    versus_cells
        Cells for windows against exact mode.
    floor_cells
        Cells for the share of the arithmetic floor.
    repeats, slow_repeats
        Frames measured, and those of contenders that take many seconds a frame.
    clicks, new_frames
        Clicks measured on an encoded frame, and on new ones.
    matmul
        Side of the matrices that the machine's rate is measured with.
    rehearse
        Run the part for GPUs on the CPU where there is none, to see that it runs.
    """

    model: str = "cell"
    architecture: Sam2Config = field(default_factory=lambda: CONFIGS["sam2.1-tiny"])
    device: str = "cpu"
    side: int = 1024
    reference_cells: tuple[int, ...] = (1, 20, 100)
    few_cells: tuple[int, ...] = (2, 4)
    scaling_cells: tuple[int, ...] = (1, 10, 50, 100, 500)
    versus_cells: int = 20
    floor_cells: int = 100
    repeats: int = 3
    slow_repeats: int = 1
    clicks: int = 31
    new_frames: int = 7
    matmul: int = 2048
    rehearse: bool = False

    @classmethod
    def quick(cls, **options: Any) -> Setup:
        """A setup that shows in about a minute whether everything runs; its numbers mean little."""
        small = replace(CONFIGS["sam2.1-tiny"], image_size=256, name="sam2.1-tiny at 256²")
        sizes: dict[str, Any] = {
            "architecture": small, "side": 256, "reference_cells": (1, 3), "few_cells": (1, 2),
            "scaling_cells": (1, 4, 8), "versus_cells": 3, "floor_cells": 6, "repeats": 1, "slow_repeats": 1,
            "clicks": 5, "new_frames": 2, "matmul": 512, "rehearse": True,
        }  # fmt: skip
        return cls(**(sizes | options))

    def on(self, device: str) -> Setup:
        """The same on another device; products that are to show a GPU's rate must be large."""
        return replace(self, device=device, matmul=4 * self.matmul if device.startswith("cuda") else self.matmul)

    @cached_property
    def probe(self) -> CellTracker:
        """A tracker with the users' model as they get it, by name: folded, in the precision that suits the device."""
        return CellTracker(np.zeros((1, 32, 32), np.uint8), self.model, device=self.device, limits=(0, 1))

    @property
    def precision(self) -> str:
        """Number type that the users' model computes in here."""
        return str(self.probe.network.dtype).removeprefix("torch.")

    @property
    def model_name(self) -> str:
        """The users' model by name."""
        return Path(self.model).stem if Path(self.model).is_file() else self.model

    @cached_property
    def published(self) -> Sam2:
        """The published architecture with random weights, all cells present."""
        from napari_sam2.weights.device import resolve_dtype

        torch.manual_seed(0)
        model = Sam2(self.architecture).eval()
        last = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
        with torch.no_grad():
            last.bias.add_(PRESENT_BIAS)  # type: ignore[operator]
        device = torch.device(self.device)
        return model.to(device=device, dtype=resolve_dtype(None, device))


#: Random masks look doubtful; they must be remembered all the same, since real ones would be. Nor do random views of a
#: prompted frame agree on anything, such as the size of the cells.
TRUSTING: dict[str, Any] = {"guard": False, "search_cells": 0, "mirrors": False}


def random_settings(mode: str) -> Settings:
    """Settings for networks with random weights; windows look at as many memories as exact mode does."""
    from napari_sam2.tracking.settings import EXACT

    return replace(EXACT if mode == "exact" else replace(Settings(), recent=EXACT.recent), **TRUSTING)
