"""Checkpoints of every kind in, a network out; and what is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_sam2.network.config import CONFIGS, Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.weights import CheckpointError, DeviceError, UnknownModelError, load_model, save_model, weights_hash
from napari_sam2.weights import catalogue as catalogue_module
from napari_sam2.weights.reading import read_checkpoint

State = dict[str, torch.Tensor]


def assert_same(model: Sam2, state: State) -> None:
    """Every tensor of the model is the one in `state`."""
    found = model.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_the_published_container(tmp_path: Path, mini_config: Sam2Config, mini_state: State) -> None:
    torch.save({"model": mini_state}, tmp_path / "mini.pt")
    model = load_model(tmp_path / "mini.pt", "cpu", config=mini_config)
    assert_same(model, mini_state)
    assert not model.training
    assert model.device == torch.device("cpu") and model.dtype is torch.float32
    assert sum(p.numel() for p in model.parameters()) == 1_470_610
    assert all(p.requires_grad for p in model.parameters())


def test_the_loaded_network_computes(tmp_path: Path, mini_config: Sam2Config, mini_model: Sam2) -> None:
    model = load_model(save_model(mini_model, tmp_path / "mini.safetensors"), "cpu")
    image = torch.rand(1, 3, 128, 128)
    with torch.inference_mode():
        assert torch.equal(model.encode_image(image).stride16, mini_model.encode_image(image).stride16)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: OrderedDict(state),
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}},
        lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"model": {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"state_dict": {f"model.{n}": t for n, t in state.items()} | {"loss.weight": torch.ones(2)}},
        lambda state: {"model_state_dict": state, "config": {"lr": 0.1}},
        lambda state: {"model": {n: torch.nn.Parameter(t) for n, t in state.items()}},
        lambda state: {"model": {n: t.double() for n, t in state.items()}},
    ],
    ids=[
        "bare",
        "ordered",
        "lightning",
        "ddp",
        "compiled-ddp",
        "prefix-and-loss",
        "other-config",
        "parameters",
        "double",
    ],
)
def test_what_training_programs_write(tmp_path: Path, mini_config: Sam2Config, mini_state: State, wrap) -> None:
    torch.save(wrap(mini_state), tmp_path / "mine.pth")
    assert_same(load_model(str(tmp_path / "mine.pth"), "cpu", config=mini_config), mini_state)


def test_the_name_does_not_matter_the_content_does(tmp_path: Path, mini_config: Sam2Config, mini_state: State) -> None:
    torch.save({"model": mini_state}, tmp_path / "model.safetensors")
    save_file(mini_state, tmp_path / "model.pt")
    for file in ("model.safetensors", "model.pt"):
        assert_same(load_model(tmp_path / file, "cpu", config=mini_config), mini_state)


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_our_own_files_say_what_they_are(tmp_path: Path, mini_config: Sam2Config, version: str) -> None:
    config = replace(mini_config, version=version)
    model = Sam2(config)
    path = save_model(model, tmp_path / "mini.safetensors", metadata={"trained on": "nothing"})
    loaded = load_model(path, "cpu")
    assert loaded.config == config
    assert_same(loaded, model.state_dict())
    assert [p.name for p in tmp_path.iterdir()] == ["mini.safetensors"]


def test_half_precision_storage(tmp_path: Path) -> None:
    cell = Sam2(CONFIGS["cell"])
    running = [name for name in cell.state_dict() if name.endswith("running_var")]
    cell.get_buffer(running[0]).fill_(1e6)  # more than float16 holds
    path = save_model(cell, tmp_path / "cell.safetensors", dtype=torch.float16)
    assert path.stat().st_size < 14.5e6
    loaded = load_model(path, "cpu")
    assert loaded.config == cell.config and loaded.dtype is torch.float32
    assert loaded.get_buffer(running[0])[0] == 1e6
    assert torch.equal(loaded.no_mem_embed, cell.no_mem_embed.half().float())


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16])
def test_number_type_on_request(tmp_path: Path, mini_model: Sam2, dtype) -> None:
    model = load_model(save_model(mini_model, tmp_path / "mini.safetensors"), "cpu", dtype)
    assert model.dtype in (torch.bfloat16, torch.float16)
    assert torch.equal(model.no_mem_embed, mini_model.no_mem_embed.to(model.dtype))


def test_an_absent_device_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        load_model(tmp_path / "absent.pt", "cuda:77")


def test_a_configuration_in_a_torch_file(tmp_path: Path, mini_config: Sam2Config, mini_state: State) -> None:
    torch.save({"model": mini_state, "config": mini_config.to_dict()}, tmp_path / "mini.pt")
    assert load_model(tmp_path / "mini.pt", "cpu").config == mini_config


def test_a_training_run_gives_its_averaged_weights(tmp_path: Path, mini_config: Sam2Config, mini_state: State) -> None:
    state = {f"model.{name}": tensor for name, tensor in mini_state.items()} | {"head.weight": torch.zeros(3)}
    averaged = {name: tensor + 1 for name, tensor in state.items()}
    saved = {"model": state, "average": averaged, "optimizer": {"state": {}}, "config": mini_config.to_dict()}
    torch.save(saved, tmp_path / "checkpoint.pt")
    model = load_model(tmp_path / "checkpoint.pt", "cpu")
    assert torch.equal(model.no_mem_embed, mini_state["no_mem_embed"] + 1)
    torch.save(saved | {"average": {"loss": torch.ones(1)}}, tmp_path / "checkpoint.pt")  # of something else
    assert torch.equal(load_model(tmp_path / "checkpoint.pt", "cpu").no_mem_embed, mini_state["no_mem_embed"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"width": 10**12}, "width is 64 by the tensors and 1000000000000"),
        ({"width": "64"}, "not one of a SAM 2 network"),
        ({"memory_ffn": None}, "memory_ffn is 128 by the tensors and None"),
        ({"colour": "blue"}, "not one of a SAM 2 network"),
        ({"trunk": {"kind": "vit"}}, "unknown kind of trunk 'vit'"),
        ({"trunk": 3}, "not one of a SAM 2 network"),
        ({"name": ["a", "list"]}, "not one of a SAM 2 network"),
    ],
)
def test_an_absurd_configuration_in_a_file(
    tmp_path: Path, mini_config: Sam2Config, mini_state: State, change: dict, complaint: str
) -> None:
    text = json.dumps({**mini_config.to_dict(), **change})
    save_file(mini_state, tmp_path / "mini.safetensors", metadata={"config": text})
    with pytest.raises(CheckpointError, match=complaint):
        load_model(tmp_path / "mini.safetensors", "cpu")


def test_a_known_size_needs_no_configuration(tmp_path: Path) -> None:
    torch.save({"model": Sam2(CONFIGS["cell"]).state_dict()}, tmp_path / "finetuned.pt")
    assert load_model(tmp_path / "finetuned.pt", "cpu").config == CONFIGS["cell"]


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return (os.system, (f"{sys.executable} -c \"open(r'{self.marker}', 'w')\"",))


@pytest.mark.parametrize("how", ["in the archive", "bare pickle", "old format", "beside tensors"])
def test_a_payload_does_not_run(tmp_path: Path, mini_state: State, how: str) -> None:
    marker, path = tmp_path / "it-ran", tmp_path / "evil.pt"
    payload = Payload(marker)
    if how == "bare pickle":
        path.write_bytes(pickle.dumps({"model": payload}))
    elif how == "old format":
        torch.save({"model": payload}, path, _use_new_zipfile_serialization=False)
    elif how == "in the archive":
        torch.save({"model": payload}, path)
    else:
        torch.save({"model": mini_state, "optimizer": payload}, path)
    with pytest.raises(CheckpointError, match=r"refused; nothing of it was executed|is not read because it cannot be"):
        load_model(path, "cpu")
    assert not marker.exists()
    # The payload is a real one: what was refused above would have run.
    if how == "bare pickle":
        subprocess.run([sys.executable, "-c", f"import pickle; pickle.load(open(r'{path}', 'rb'))"], check=True)
        assert marker.exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 3, 100, 5000, -4000, -1])
def test_truncated_files(tmp_path: Path, mini_state: State, suffix: str, keep: int) -> None:
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    torch.save({"model": mini_state}, whole) if suffix == ".pt" else save_file(mini_state, whole)
    data = whole.read_bytes()
    cut.write_bytes(data[:keep])
    with pytest.raises(CheckpointError, match=r"cut.*(empty|truncated|unknown kind).*expected a SAM 2 checkpoint"):
        load_model(cut, "cpu")


def _scramble(data: bytes, rng: random.Random) -> bytes:
    """A few bytes of a torch archive's pickle changed, its checksums right again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            content = bytearray(source.read(entry))
            for _ in range(rng.randint(1, 4) if entry.filename.endswith("data.pkl") else 0):
                content[rng.randrange(len(content))] = rng.randrange(256)
            target.writestr(entry.filename, bytes(content))
    return out.getvalue()


def test_files_damaged_at_random_are_read_or_refused_but_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(0)
    state = {"no_mem_embed": torch.ones(1, 1, 8), "maskmem_tpos_enc": torch.ones(7, 1, 1, 4), "n": torch.tensor(3)}
    torch.save({"model": state, "optimizer": {"lr": 0.1}}, tmp_path / "whole.pt")
    save_file(state, tmp_path / "whole.safetensors")
    refused = 0
    for i in range(150):
        data = bytearray((tmp_path / ("whole.safetensors" if i % 3 == 0 else "whole.pt")).read_bytes())
        if i % 3 == 1:
            data = bytearray(_scramble(data, rng))
        else:
            for _ in range(rng.randint(1, 20)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / "bad").write_bytes(data)
        try:
            read_checkpoint(tmp_path / "bad")
        except CheckpointError:
            refused += 1
    assert refused > 75


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 156008466\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>not found</html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 file"),
        (b"II*\x00" + bytes(60), r"unknown kind of file \(it begins with b'II\*"),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint + ".*expected a SAM 2 checkpoint"):
        load_model(tmp_path / "model.pt", "cpu")


def test_zip_archives_that_are_no_checkpoints(tmp_path: Path, mini_state: State) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="a ZIP archive, but not one of torch.save"):
        load_model(path, "cpu")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", "")
        archive.writestr("m/constants.pkl", "")
    with pytest.raises(CheckpointError, match="a TorchScript program"):
        load_model(path, "cpu")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, mini_state: State) -> None:
    torch.save({"model": {"no_mem_embed": torch.zeros(30_000_000)}}, tmp_path / "plain.pt")
    bomb = tmp_path / "bomb.pt"
    with zipfile.ZipFile(tmp_path / "plain.pt") as source, \
         zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:  # fmt: skip
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert bomb.stat().st_size < 1e6
    with pytest.raises(CheckpointError, match="its entries are compressed"):
        load_model(bomb, "cpu")


def test_tensors_larger_than_the_file(tmp_path: Path) -> None:
    # One number with strides of nought: any shape from four bytes. torch.save keeps the strides.
    torch.save({"model": {"no_mem_embed": torch.zeros(1).expand(2**40)}}, tmp_path / "big.pt")
    with pytest.raises(CheckpointError, match="'no_mem_embed' is not a plain dense one"):
        load_model(tmp_path / "big.pt", "cpu")


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ([1, 2], "holds a list, not a state dict"),
        ({"epoch": 3}, r"no tensors in it \(its keys: epoch\)"),
        ({"model": {}}, r"no tensors in it \(its keys: model\)"),
        ({"fc.weight": torch.zeros(2, 2)}, "not the tensors of a SAM 2 network"),
        ({"no_mem_embed": torch.zeros(2, dtype=torch.complex64)}, "holds torch.complex64, expected floating-point"),
        ({"no_mem_embed": torch.eye(2).to_sparse()}, "not a plain dense one"),
    ],
)
def test_torch_files_of_something_else(tmp_path: Path, contents: object, complaint: str) -> None:
    torch.save(contents, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=f"other.pt: .*{complaint}"):
        load_model(tmp_path / "other.pt", "cpu")


def test_nan_is_noticed(tmp_path: Path, mini_config: Sam2Config, mini_state: State) -> None:
    mini_state["no_obj_ptr"][0, 3] = float("nan")
    torch.save(mini_state, tmp_path / "diverged.pt")
    with pytest.raises(CheckpointError, match="'no_obj_ptr' holds NaN or infinity"):
        load_model(tmp_path / "diverged.pt", "cpu", config=mini_config)


def test_neither_a_name_nor_a_file(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownModelError, match=r"there is no checkpoint .*absent.pt.; models with a name: cell, sam2.1-"
    ):
        load_model(tmp_path / "absent.pt", "cpu")
    with pytest.raises(UnknownModelError, match="no model called 'sam9'"):
        load_model("sam9", "cpu")


def test_a_published_name_is_fetched_once_and_loaded(
    server, tmp_path: Path, mini_config: Sam2Config, mini_state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"model": mini_state, "config": mini_config.to_dict()}, tmp_path / "source.pt")
    server.body = (tmp_path / "source.pt").read_bytes()
    entry = replace(server.info(tmp_path), name="sam2.1-tiny", file="tiny.pt")
    monkeypatch.setattr(catalogue_module, "_CATALOGUE", {"sam2.1-tiny": entry})
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    stages = []
    for _ in range(2):
        model = load_model("sam2.1-tiny", "cpu", progress=lambda report: stages.append(report.stage))
        assert_same(model, mini_state)
    assert len(server.requests) == 1
    assert "downloading" in stages
    assert (tmp_path / "cache" / "tiny.pt").is_file()
    assert weights_hash("sam2.1-tiny") == weights_hash(model)


def test_a_missing_bundled_model_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "DATA_FOLDER", tmp_path)
    with pytest.raises(
        CheckpointError, match=r"the bundled model 'cell' is missing from this installation: .*cell.saf"
    ):
        load_model("cell", "cpu")
    assert catalogue_module.find_model("cell").state == "missing"
    save_model(Sam2(CONFIGS["cell"]), tmp_path / "cell.safetensors", dtype=torch.float16)
    assert catalogue_module.find_model("cell").state == "bundled"
    assert load_model("cell", "cpu").config == CONFIGS["cell"]


def test_weights_hash(tmp_path: Path, mini_config: Sam2Config, mini_model: Sam2, mini_state: State) -> None:
    expected = weights_hash(mini_model)
    assert len(expected) == 64
    torch.save({"model": dict(reversed(mini_state.items()))}, tmp_path / "mini.pt")
    path = save_model(mini_model, tmp_path / "mini.safetensors")
    assert weights_hash(path) == expected
    loaded = load_model(tmp_path / "mini.pt", "cpu", "bfloat16", config=mini_config)
    assert weights_hash(loaded) == expected, "the same weights, whatever they are computed with"
    assert weights_hash(load_model(path, "cpu")) == expected
    with torch.no_grad():
        loaded.no_obj_ptr.add_(1)
    assert weights_hash(loaded) != expected, "trained on: other weights"


def test_an_interrupted_save_leaves_the_old_file(tmp_path: Path, mini_model: Sam2, monkeypatch) -> None:
    path = save_model(mini_model, tmp_path / "mini.safetensors")
    before = path.read_bytes()

    def fail(_tensors: State, file: Path, **_: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(mini_model, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["mini.safetensors"]
