"""Makes ``data/network.npz``, by which the network is guarded where the published outputs are not at hand.

    python -m tests.network.make_fixture

Weights and frames come from formulas, so the file holds results only. To be run from a state that passes
`test_parity`; a change of these numbers is a change of what every published checkpoint computes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_sam2.network import MemoryBatch, Prompts, Sam2, gather_windows, normalise
from napari_sam2.network.model import upscale_logits

from .formula_weights import MINI, mini_cell_model, mini_model
from .movies import blobs_movie
from .reference_runs import RUNS, found, run_like_the_reference, thin

FIXTURE = Path(__file__).parent / "data" / "network.npz"
FRAMES = 8  # two more than there are recent memories, so that one is dropped
POINTS_XY = np.array([[52.0, 45.0], [80.0, 70.0], [30.0, 90.0]])
#: Windows of three cells on four frames, in tokens: one rests, one moves, one comes later.
WINDOW = 6
ORIGINS = np.array(
    [[[0, 2], [0, 2], [0, 2], [0, 2]], [[4, 6], [4, 5], [3, 4], [2, 4]], [[2, 0], [2, 1], [2, 2], [2, 4]]]
)
FIELD = (160, 192)


def compute() -> dict[str, np.ndarray]:
    """Every array of the file, from the network as it is now."""
    out: dict[str, np.ndarray] = {}
    for version in ("2.1", "2.0"):
        out |= {f"exact-{version}/{key}": value for key, value in _exact(mini_model(version)).items()}
        out |= {f"windows-{version}/{key}": value for key, value in _windows(mini_model(version)).items()}
    out |= {f"windows-cell/{key}": value for key, value in _windows(mini_cell_model()).items()}
    return out


def _exact(model: Sam2) -> dict[str, np.ndarray]:
    """Three of the published tracking runs on our own frames, through `CellTracker`."""
    frames = blobs_movie(FRAMES, MINI.image_size, seed=7)
    out = {}
    for run in RUNS[:3]:
        tracker = run_like_the_reference(model, frames, POINTS_XY, run)
        assert tracker._reference is not None
        for cell, frame in sorted(tracker._reference.state):
            for quantity in ("low_res_logits_every2th", "object_score_logit", "obj_ptr", "memory_every2th"):
                key = f"{run}/obj{cell}/frame{frame:02d}/{quantity}"
                out[key] = found(tracker, key)
    return out


@torch.inference_mode()
def _windows(model: Sam2) -> dict[str, np.ndarray]:
    """Windows smaller than the native map, in a field that is larger, with memories from other places and times."""
    frames = blobs_movie(4, max(FIELD), seed=8)[:, : FIELD[0], : FIELD[1]]
    features = model.encode_image(normalise(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255))
    out: dict[str, Tensor] = {f"field/{k}_every4th": v[0] for k, v in vars(features).items()}
    points = torch.tensor([[[40.0, 33.0], [0, 0]], [[60.0, 50.0], [20.0, 80.0]], [[30.0, 30.0], [70.0, 66.0]]])
    labels = torch.tensor([[1, -2], [1, 0], [2, 3]])
    memories: list[Tensor] = []
    pointers: list[Tensor] = []
    last = torch.empty(0)
    for t in range(4):
        at = torch.from_numpy(ORIGINS[:, t])
        frame = torch.full((3,), t)
        stride16 = gather_windows(features.stride16, frame, at, WINDOW)
        stride8 = gather_windows(features.stride8, frame, at * 2, WINDOW * 2)
        stride4 = gather_windows(features.stride4, frame, at * 4, WINDOW * 4)
        memory = _memory(model, memories, pointers, t) if t else None
        conditioned = model.attend(stride16, memory)
        prompts = Prompts(points, labels) if t == 0 else Prompts.none(3)
        if t == 2:  # an earlier mask is refined
            prompts = Prompts(points, labels, upscale_logits(last, 1), torch.tensor([True, False, True]))
        output = model.decode(conditioned, stride8, stride4, model.embed_prompts(prompts, (WINDOW, WINDOW)))
        chosen = model.select(output, torch.tensor([True, False, t > 0]))
        last = output.logits_nmhw[:, 1]
        hard = torch.tensor([t == 0, False, t == 0])
        memories.append(model.encode_memory(stride16, upscale_logits(last), output.object_logits_n, hard))
        pointers.append(model.obj_ptr_proj(output.mask_tokens_nmc[:, 1]))
        out[f"frame{t}/conditioned_every2th"] = conditioned
        out[f"frame{t}/logits_every4th"] = output.logits_nmhw
        out[f"frame{t}/iou"] = output.iou_nm
        out[f"frame{t}/object_logits"] = output.object_logits_n
        out[f"frame{t}/pointer"] = pointers[-1]
        out[f"frame{t}/chosen"] = chosen.index_n
        out[f"frame{t}/memory_every2th"] = memories[-1]
    masks = (last > 0).float().repeat_interleave(4, 1).repeat_interleave(4, 2)
    drawn = model.mask_as_output(stride16, stride8, stride4, masks)
    out |= {"drawn/logits_every4th": drawn.logits_nhw, "drawn/pointer": drawn.pointer_nc}
    return {
        key: thin(value.numpy(), key.rpartition("_every")[2] if "_every" in key else "") for key, value in out.items()
    }


def _memory(model: Sam2, memories: list[Tensor], pointers: list[Tensor], t: int) -> MemoryBatch:
    """What three cells remember on frame t: all of the first, the second's but the last, only the last of the third."""
    n = len(memories)
    ages = torch.arange(n, 0, -1)  # oldest first
    valid = torch.ones(3, n, dtype=torch.bool)
    valid[1, -1] = n == 1
    valid[2, :-1] = False
    time = torch.where(torch.arange(n) == 0, model.config.memory_frames - 1, ages - 1).expand(3, -1)
    origins = torch.from_numpy(ORIGINS[:, :t])
    return MemoryBatch(
        spatial_nmchw=torch.stack(memories, dim=1),
        spatial_time_nm=time,
        spatial_valid_nm=valid,
        spatial_origin_nm2=origins,
        query_origin_n2=torch.from_numpy(ORIGINS[:, t]),
        pointers_npc=torch.stack(pointers, dim=1),
        pointer_time_np=ages.float().expand(3, -1),
        pointer_valid_np=valid,
        pointer_span=model.config.pointer_span or 15.0,
    )


if __name__ == "__main__":
    arrays = compute()
    FIXTURE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FIXTURE, **arrays)  # type: ignore[arg-type]
    print(f"{len(arrays)} arrays, {FIXTURE.stat().st_size / 1e3:.0f} kB: {FIXTURE}")
