"""A second, independent reading of the network: transformers' ``Sam2VideoModel`` with the same random weights.

Reached in float32, largest absolute difference: image features and decoded clicks and boxes 0 (the same operations in
the same order), logits of eight frames tracked from one click, in either direction, 6e-7.

Two faults of transformers 5.23 are kept out of the way rather than copied: the pointer of a mask prompt comes from the
wrong mask token (so no mask prompts here), and one prompted object makes the memories of all objects hard (so one
object at a time). It also keeps memories in bfloat16; `_float32_memories` makes it keep them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_sam2.network import Prompts, Sam2, Sam2Config, normalise
from napari_sam2.tracking import CellTracker
from napari_sam2.weights.transformers_config import config_to_transformers
from napari_sam2.weights.transformers_layout import to_transformers

from .formula_weights import MINI
from .movies import blobs_movie

#: transformers' memories are always 64 wide.
CONFIGS = {
    version: replace(MINI, name=f"mini-{version}", width=128, memory_width=64, version=version)
    for version in ("2.1", "2.0")
}
FRAMES = 8
CLICK = (70.0, 49.0)  # x, y
TOLERANCE = 1e-4

modeling = pytest.importorskip("transformers.models.sam2_video.modeling_sam2_video", reason="needs transformers")


@cache
def _ours(version: str) -> Sam2:
    torch.manual_seed(2)
    model = Sam2(_config(version)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # nothing may stay zero: it would hide where it is used
            parameter.add_(0.03 * torch.randn_like(parameter))
        # With random weights about half of all objects would be absent, and absent ones are all alike.
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.add_(5)  # type: ignore[operator, union-attr]
    return model


def _config(version: str) -> Sam2Config:
    return CONFIGS[version]


@cache
def _theirs(version: str) -> Any:
    from transformers import Sam2VideoConfig, Sam2VideoModel

    model = Sam2VideoModel(Sam2VideoConfig(**config_to_transformers(_config(version))))
    model.load_state_dict(to_transformers(_ours(version).state_dict()), strict=True)
    return model.eval()


@cache
def _frames() -> np.ndarray:
    return blobs_movie(FRAMES, MINI.image_size, seed=4)


def _pixels() -> Tensor:
    return normalise(torch.from_numpy(_frames()).permute(0, 3, 1, 2).float() / 255)


@dataclass
class _Float32Memories:
    """torch as transformers sees it, with bfloat16 standing for float32."""

    bfloat16: torch.dtype = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@pytest.fixture
def _float32_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeling, "torch", _Float32Memories())


@pytest.mark.parametrize("version", CONFIGS)
def test_image_features(version: str) -> None:
    with torch.inference_mode():
        ours = _ours(version).encode_image(_pixels()[:2])
        theirs = _theirs(version).get_image_features(_pixels()[:2], return_dict=True).fpn_hidden_states
    for mine, flat in zip((ours.stride4, ours.stride8, ours.stride16), theirs, strict=True):
        torch.testing.assert_close(mine, flat.permute(1, 2, 0).view(mine.shape), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("labels", [[1], [1, 0], [1, 0, 1], [2, 3], [2, 3, 0]], ids=str)
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("version", CONFIGS)
def test_decoding_of_clicks_and_boxes(version: str, multimask: bool, labels: list[int]) -> None:
    places = torch.tensor([[[70.0, 49.0], [90.0, 80.0], [60.0, 55.0]]])[:, : len(labels)]
    marks = torch.tensor([labels])
    model = _ours(version)
    with torch.inference_mode():
        there = _theirs(version)._single_frame_forward(
            pixel_values=_pixels()[:1],
            input_points=places[None],
            input_labels=marks[None],
            multimask_output=multimask,
        )
        features = model.encode_image(_pixels()[:1])
        embedding = model.embed_prompts(Prompts(places, marks), (8, 8))
        output = model.decode(model.without_memory(features.stride16), features.stride8, features.stride4, embedding)
        here = model.select(output, torch.tensor([multimask]))
    assert output.object_logits_n > 0
    assert here.logits_nhw.std() > 0.01
    best = there.iou_scores.max() if multimask else there.iou_scores.flatten()[0]
    torch.testing.assert_close(here.logits_nhw[0], there.pred_masks.squeeze(), atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(here.iou_n[0], best, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(here.object_logits_n[0], there.object_score_logits.squeeze(), atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(here.pointer_nc[0], there.object_pointer.squeeze(), atol=TOLERANCE, rtol=0)


@pytest.mark.usefixtures("_float32_memories")
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("version", CONFIGS)
def test_one_click_tracked_through_the_movie(version: str, direction: str) -> None:
    start = 0 if direction == "forward" else FRAMES - 1
    theirs = _tracked_by_transformers(version, start, reverse=direction == "backward")
    tracker = CellTracker(np.moveaxis(_frames(), -1, 1), _ours(version), limits=[(0, 255)] * 3, mode="reference")
    tracker.add_click(1, start, (CLICK[1], CLICK[0]))
    for _ in tracker.track(direction):  # type: ignore[arg-type]
        pass
    assert tracker._reference is not None
    ours = {frame: state.masks.logits_nhw[0] for (_, frame), state in tracker._reference.state.items()}
    assert ours.keys() == theirs.keys() == set(range(FRAMES))
    for frame in range(FRAMES):
        torch.testing.assert_close(
            ours[frame], theirs[frame], atol=TOLERANCE, rtol=0, msg=lambda m, f=frame: f"{f}: {m}"
        )
    # The frames must differ by more than the tolerance, or agreement would say nothing about memory.
    assert (ours[1] - ours[4]).abs().max() > 100 * TOLERANCE


def _tracked_by_transformers(version: str, start: int, reverse: bool) -> dict[int, Tensor]:
    """Low-resolution logits (32, 32) of one clicked object on every frame."""
    model = _theirs(version)
    session = modeling.Sam2VideoInferenceSession(
        video=_pixels(), video_height=MINI.image_size, video_width=MINI.image_size, dtype=torch.float32
    )
    session.obj_id_to_idx(1)
    click = {"point_coords": torch.tensor([[[CLICK]]]), "point_labels": torch.tensor([[[1]]])}
    session.add_point_inputs(0, start, click)
    session.obj_with_new_inputs = [1]
    model(session, frame_idx=start)
    out = {}
    for result in model.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse):
        out[result.frame_idx] = result.pred_masks.squeeze()
    return out
