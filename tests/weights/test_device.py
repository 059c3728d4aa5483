"""Choosing where and in which number type to compute."""

from __future__ import annotations

import pytest
import torch

from napari_sam2.weights import DeviceError, available_devices, resolve_device, resolve_dtype


def _pretend(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(("cuda", "mps", "best"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_takes_the_best_there_is(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, best: str) -> None:
    _pretend(monkeypatch, cuda, mps)
    assert resolve_device("auto").type == best
    assert available_devices()[-1] == "cpu"


def test_devices_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, 2, False)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device(" CUDA ") == torch.device("cuda")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("wrong", ["cuda:2", "mps", "meta", "gpu", "", "cuda:x", None])
def test_devices_that_are_not_here(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    _pretend(monkeypatch, 2, False)
    with pytest.raises(DeviceError, match="here there are: auto, cuda:0, cuda:1, cpu"):
        resolve_device(wrong)


def test_cuda_without_cuda_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, 0, False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    with pytest.raises(DeviceError, match=r"no 'cuda' here \(this build of torch is for the CPU only\)"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    ("device", "capability", "expected"),
    [("cpu", None, torch.float32), ("mps", None, torch.float32), ("cuda", (7, 5), torch.float32),
     ("cuda", (8, 0), torch.bfloat16), ("cuda", (9, 0), torch.bfloat16)],
)  # fmt: skip
def test_number_type_by_device(
    monkeypatch: pytest.MonkeyPatch, device: str, capability: tuple[int, int] | None, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert resolve_dtype(None, torch.device(device)) is expected
    assert resolve_dtype("auto", torch.device(device)) is expected
    assert resolve_dtype("fp16", torch.device(device)) is torch.float16, "a choice is a choice"


@pytest.mark.parametrize("name", ["bf16", "BFloat16", "torch.bfloat16", torch.bfloat16])
def test_number_types_by_name(name: str) -> None:
    assert resolve_dtype(name) is torch.bfloat16


@pytest.mark.parametrize("wrong", ["int8", "double", torch.float64, 16])
def test_other_number_types_are_refused(wrong: object) -> None:
    with pytest.raises(DeviceError, match="expected float32, float16 or bfloat16"):
        resolve_dtype(wrong)
