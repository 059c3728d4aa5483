"""Where a cell ends is what the user said it is, on the frames beside a corrected one too.

Whoever corrects a blurred nucleus down to the slice that is in focus, or a cell out to its halo, means all frames. The
network remembers such a mask, and still draws the next frame much as it would have without. How much of what it was
told it loses can be seen at once: tracked from the memory of the corrected frame alone, that very frame should come out
as it was corrected. Where another level of the logits gives the corrected mask back better than 0 does, the frames
that follow are cut at most of that level too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

#: Levels that are tried, as shares of the largest logit; below 0 masks grow.
LOWEST, HIGHEST, STEP = -1.5, 0.95, 0.05
#: IoU with the corrected mask that a level has to gain over 0, and by which one nearer to 0 may be below the best.
GAIN, EQUAL = 0.03, 0.01
#: IoU with the corrected mask that has to be reached: else the cell was found at another place, and no level helps.
FOUND = 0.25
#: Share of the level that frames are cut at: they are tracked from memories of masks that were cut already.
SHARE = 0.7
#: Frames after which a third of the level is left: a cell may come into focus, and an outline that has become wrong, or
#: was told badly, should not be kept up against what the picture shows.
FADING = 8.0

FloatArray = npt.NDArray[np.float64]


def level_of(tracked_nhw: Tensor, wanted_nhw: Tensor) -> Tensor:
    """Levels at which frames should be cut, from what corrected frames look like when they are tracked.

    Parameters
    ----------
    tracked_nhw
        (N, h, w) logits of corrected frames, tracked from the memory of their corrected masks alone.
    wanted_nhw
        (N, h, w) logits of the corrected masks.

    Returns
    -------
    Tensor
        (N,) float32, as a share of the largest logit. 0 where that does as well, or where the cell was not found.
    """
    tracked, wanted = tracked_nhw.float(), wanted_nhw > 0
    peak = tracked.amax((1, 2))
    levels = torch.arange(LOWEST, HIGHEST + STEP / 2, STEP, device=tracked.device)
    levels[levels.abs().argmin()] = 0.0
    overlaps = []
    for level in levels:
        found = tracked > (level * peak)[:, None, None]
        overlaps.append((found & wanted).sum((1, 2)) / (found | wanted).sum((1, 2)).clamp(min=1))
    overlap_ln = torch.stack(overlaps)
    best = overlap_ln.amax(0)
    far = torch.where(overlap_ln >= best - EQUAL, levels.abs()[:, None], torch.inf)
    chosen = levels[far.argmin(0)]
    helps = (best - overlap_ln[levels == 0][0] >= GAIN) & (best >= FOUND) & (peak > 0)
    return torch.where(helps, SHARE * chosen, torch.zeros_like(chosen))


def faded(level_n: FloatArray, frames_n: npt.NDArray[np.int64]) -> FloatArray:
    """What is left of levels (N,) so many frames (N,), 1 or more, from where they were found."""
    left: FloatArray = level_n * np.exp((1 - frames_n) / FADING)
    return left


def cut_at(logits_nhw: Tensor, level_n: Tensor) -> Tensor:
    """Logits that are 0 at a level of the given ones, and as large as they are where those are largest.

    Parameters
    ----------
    logits_nhw
        (N, h, w).
    level_n
        (N,) shares of each cell's largest logit, below 1.

    Returns
    -------
    Tensor
        (N, h, w) float32; those of cells that are nowhere are as they were.
    """
    logits, level = logits_nhw.float(), level_n[:, None, None].to(logits_nhw.device)
    peak = logits.amax((1, 2), keepdim=True)
    return torch.where((peak > 0) & (level != 0), (logits - level * peak) / (1 - level), logits)
