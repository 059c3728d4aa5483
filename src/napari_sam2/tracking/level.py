"""A click on the background says something of the rest of a mask: what is no likelier than that place goes with it.

A network answers a click on the rim of a mask that is too large all around with a notch, and the user clicks his way
around the cell. But before it was told, it gave that place a logit, as it did all others that it took for the cell.
What lies below that level is no likelier to be the cell. Sharp edges are steep and hardly move; the slope of a blurred
one moves all around.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_sam2.network.prompt_encoder import BACKGROUND, FOREGROUND
from napari_sam2.tracking.hold import logits_at

ABOVE = 0.5
"""Logit by which places that were clicked as the cell stay above the level at least."""


def lower_to_clicks(logits_nhw: Tensor, untold_nhw: Tensor, points_npx2: Tensor, labels_np: Tensor) -> Tensor:
    """Take from masks what is no likelier than the places clicked as background.

    Parameters
    ----------
    logits_nhw
        (N, h, w) at stride 4, where all clicks are taken into account.
    untold_nhw
        (N, h, w) the same without the clicks on the background.
    points_npx2
        (N, P, 2) x and y in model pixels of each cell's window.
    labels_np
        (N, P) as in `Prompts`; all but clicks is left out of account.

    Returns
    -------
    Tensor
        (N, h, w) float32, nowhere above `logits_nhw`. What was no part of the untold mask is as it was: the network
        found it with the help of a click or of a mask, so the untold logits say nothing of it.
    """
    logits, untold = logits_nhw.float(), untold_nhw.float()
    there = logits_at(untold, points_npx2)
    nowhere = torch.full_like(there, torch.inf)
    level = torch.where(labels_np == BACKGROUND, there, -nowhere).amax(1)
    limit = torch.where(labels_np == FOREGROUND, there, nowhere).amin(1) - ABOVE
    level = torch.minimum(level, limit).clamp(min=0)[:, None, None]
    return torch.where(untold > 0, torch.minimum(logits, untold - level), logits)
