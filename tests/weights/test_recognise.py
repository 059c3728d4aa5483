"""Version and size of a network from the names and shapes of its tensors."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from napari_sam2.network.config import CONFIGS, ConvTrunkConfig, HieraConfig, Sam2Config
from napari_sam2.weights import CheckpointError, find_model
from napari_sam2.weights.recognise import expected_shapes, measure, measured_of, recognise


def _published(shared_dir: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    path = shared_dir / "parity" / "checkpoint_tensors.json"
    if not path.is_file():
        pytest.skip("no list of the published checkpoints' tensors here")
    files = json.loads(path.read_text())
    return {
        file: {name: tuple(shape) for name, shape in (tensors.items() if isinstance(tensors, dict) else tensors)}
        for file, tensors in files.items()
    }


def test_the_eight_published_checkpoints_fit_name_by_name_and_shape_by_shape(shared_dir: Path) -> None:
    published = _published(shared_dir)
    assert len(published) == 8
    for file, shapes in published.items():
        config = CONFIGS[find_model(file).config]
        assert expected_shapes(config) == shapes
        assert recognise(shapes) == config


@pytest.mark.parametrize("name", CONFIGS)
def test_every_known_configuration_is_recognised_from_its_own_shapes(name: str) -> None:
    shapes = expected_shapes(CONFIGS[name])
    assert measure(shapes) == measured_of(CONFIGS[name])
    assert recognise(shapes) == CONFIGS[name]


@pytest.mark.parametrize(
    ("name", "tensors"), [("sam2.1-tiny", 471), ("sam2.1-small", 519), ("sam2.1-base-plus", 615), ("sam2-large", 900)]
)
def test_number_of_tensors(name: str, tensors: int) -> None:
    assert len(expected_shapes(CONFIGS[name])) == tensors


def test_other_parts_behind_a_known_trunk_are_measured() -> None:
    config = replace(CONFIGS["sam2.1-small"], memory_layers=2, memory_ffn=512, decoder_ffn=1024, memory_frames=5)
    found = recognise(expected_shapes(config))
    assert found == replace(config, name="sam2.1-small (modified)")


def test_an_unknown_size_asks_for_a_configuration_and_takes_it(mini_config: Sam2Config) -> None:
    shapes = expected_shapes(mini_config)
    with pytest.raises(CheckpointError) as caught:
        recognise(shapes)
    message = str(caught.value)
    assert "hiera trunk of width 16 and 1,2,3,1 blocks, features of width 64" in message
    assert "config=Sam2Config(...)" in message
    assert "sam2.1-tiny: hiera trunk of width 96 and 1,2,7,2 blocks" in message
    assert recognise(shapes, mini_config) is mini_config


def test_an_unknown_convolutional_trunk(mini_config: Sam2Config) -> None:
    config = replace(CONFIGS["cell"], name="mine", trunk=ConvTrunkConfig(widths=(8, 16, 24, 32), blocks=(1, 1, 2, 1)))
    assert measure(expected_shapes(config)) == measured_of(config)
    with pytest.raises(CheckpointError, match=r"conv trunk of width 8/16/24/32 and 1,1,2,1 blocks"):
        recognise(expected_shapes(config))
    assert recognise(expected_shapes(config), config) is config


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"width": 128}, "width is 64 by the tensors and 128 by the configuration"),
        ({"version": "2.0"}, "version is 2.1 by the tensors and 2.0 by the configuration"),
        ({"memory_layers": 4}, "memory_layers is 2 by the tensors and 4"),
        ({"trunk": HieraConfig(width=16, blocks=(1, 2, 4, 1), windows=(8, 4, 6, 3), global_blocks=(4,))},
         r"trunk.blocks is \(1, 2, 3, 1\) by the tensors and \(1, 2, 4, 1\)"),
        ({"trunk": HieraConfig(width=16, blocks=(1, 2, 3, 1), windows=(4, 4, 6, 3), global_blocks=(4,))},
         "trunk.first_window is 8 by the tensors and 4"),
        ({"trunk": ConvTrunkConfig()}, "trunk.kind is hiera by the tensors and conv"),
        ({"trunk": HieraConfig(width=16, blocks=(1, 2, 3, 1), windows=(8, 4, 6, 3), global_blocks=(40,))},
         "global blocks that the trunk does not have"),
        ({"trunk": HieraConfig(width=16, heads=3, blocks=(1, 2, 3, 1), windows=(8, 4, 6, 3), global_blocks=(4,))},
         "heads that do not divide"),
        ({"trunk": HieraConfig(width=16, blocks=(1, 2, 3, 1), windows=(8, 4, 10**9, 3), global_blocks=(4,))},
         "absurd numbers"),
        ({"image_size": 32 * 10**9}, "absurd numbers"),
    ],
)  # fmt: skip
def test_a_configuration_that_contradicts_the_tensors(mini_config: Sam2Config, change: dict, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        recognise(expected_shapes(mini_config), replace(mini_config, **change))


def test_missing_extra_and_misshapen_tensors_are_named() -> None:
    shapes = expected_shapes(CONFIGS["sam2.1-tiny"])
    del shapes["no_obj_ptr"]
    shapes["lora.A"] = (4, 4)
    shapes["mask_downsample.weight"] = (1, 1, 8, 8)
    with pytest.raises(CheckpointError) as caught:
        recognise(shapes)
    assert str(caught.value) == (
        "recognised as sam2.1-tiny (SAM 2.1, 471 tensors), but 1 tensors are missing (no_obj_ptr); "
        "1 tensors are not of this network (lora.A); "
        "1 tensors have another shape (mask_downsample.weight is [1, 1, 8, 8], expected [1, 1, 4, 4])"
    )


def test_half_of_what_2_1_added_is_named() -> None:
    shapes = expected_shapes(CONFIGS["sam2-tiny"])
    shapes["no_obj_embed_spatial"] = (1, 64)
    with pytest.raises(CheckpointError, match=r"2 tensors are missing \(obj_ptr_tpos_proj.weight, obj_ptr_tpos_proj.b"):
        recognise(shapes)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ((), "not the tensors of a SAM 2 network: 0 of them"),
        (("fc.weight", "fc.bias"), r"2 of them \(fc.bias, fc.weight\), none called 'no_mem_embed'"),
        (("image_encoder.blocks.0.norm1.weight", "mask_decoder.iou_token.weight"), "first Segment Anything"),
        (("vision_encoder.layers.0.attn.qkv.weight",), "first Segment Anything"),
        (("detector.backbone.x",), "SAM 3"),
    ],
)
def test_other_networks_are_called_by_name(names: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        recognise(dict.fromkeys(names, (1,)))


def test_an_image_only_checkpoint_names_what_it_lacks() -> None:
    shapes = {
        name: shape for name, shape in expected_shapes(CONFIGS["sam2.1-tiny"]).items() if "memory_attention" not in name
    }
    with pytest.raises(CheckpointError, match="memory_attention.layers lacks some of its parts: there are none"):
        recognise(shapes)


def test_gaps_and_odd_axes() -> None:
    shapes = expected_shapes(CONFIGS["sam2.1-tiny"])
    gap = {name: shape for name, shape in shapes.items() if ".blocks.3." not in name}
    with pytest.raises(CheckpointError, match=r"trunk.blocks lacks some of its parts: there are \[0, 1, 2, 4"):
        recognise(gap)
    with pytest.raises(CheckpointError, match=r"'no_mem_embed' has the shape \[256\], expected one of 3 axes"):
        recognise({**shapes, "no_mem_embed": (256,)})


def test_absurd_shapes_build_nothing() -> None:
    shapes = expected_shapes(CONFIGS["sam2.1-tiny"])
    started = time.perf_counter()
    for name, shape in (("no_mem_embed", (1, 1, 2**40)), ("maskmem_tpos_enc", (7, 1, 1, 2**33)),
                        ("memory_attention.layers.0.linear1.weight", (2**50, 256)),
                        ("image_encoder.trunk.pos_embed", (1, 2**40, 7, 7))):  # fmt: skip
        with pytest.raises(CheckpointError):
            recognise({**shapes, name: shape})
    with pytest.raises(CheckpointError):
        recognise({**shapes, "image_encoder.trunk.blocks.999999999.norm1.weight": (1,)})
    assert time.perf_counter() - started < 2
