"""Prompts and masks as JSON that a person can read, and the digests that tell them apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sam2.tracking.prompts import FramePrompts, MaskCrop, Round


@dataclass(frozen=True)
class Said:
    """What was said about one cell on one frame, and when.

    Parameters
    ----------
    prompts
        As the tracker takes them.
    times
        When each round was made, ISO 8601, UTC.
    mask_time
        When the mask was drawn; None without one.
    source
        Where a mask comes from: ``"drawn"``, or the action that put it there (``"swap"``, ``"merge"``, ...).
    """

    prompts: FramePrompts
    times: tuple[str, ...] = ()
    mask_time: str | None = None
    source: str = "drawn"


def mask_to_json(mask: MaskCrop) -> dict[str, Any]:
    """Encode a mask as its first pixel (y, x), its size, and run lengths, alternately outside and inside, by rows."""
    flat = np.concatenate(([False], mask.crop.reshape(-1), [False]))
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate(([0], edges, [mask.crop.size])))
    return {"at": list(mask.origin), "size": list(mask.crop.shape), "runs": counts.tolist()}


def mask_from_json(data: dict[str, Any]) -> MaskCrop:
    """Undo `mask_to_json`."""
    counts = np.array(data["runs"], np.int64)
    h, w = (int(n) for n in data["size"])
    inside = np.zeros(len(counts), bool)
    inside[1::2] = True
    crop = np.repeat(inside, counts)
    if crop.size != h * w:
        raise ValueError(f"a mask of {h} x {w} pixels has runs for {crop.size}")
    return MaskCrop((int(data["at"][0]), int(data["at"][1])), crop.reshape(h, w))


def said_to_json(said: Said | None) -> dict[str, Any] | None:
    """Encode what was said on a frame; None for nothing."""
    if said is None:
        return None
    out: dict[str, Any] = {}
    if said.prompts.mask is not None:
        out["mask"] = {"time": said.mask_time, "source": said.source, **mask_to_json(said.prompts.mask)}
    if said.prompts.rounds:
        out["rounds"] = [
            {
                "time": time,
                **({"clicks": [[y, x, fg] for y, x, fg in r.clicks]} if r.clicks else {}),
                **({"box": [list(r.box[0]), list(r.box[1])]} if r.box else {}),
            }
            for r, time in zip(said.prompts.rounds, said.times, strict=True)
        ]
    if said.prompts.base is not None:
        out["base"] = mask_to_json(said.prompts.base)
    return out


def said_from_json(data: dict[str, Any] | None) -> Said | None:
    """Undo `said_to_json`."""
    if data is None:
        return None
    rounds = tuple(
        Round(
            tuple((float(y), float(x), bool(fg)) for y, x, fg in r.get("clicks", ())),
            ((float(r["box"][0][0]), float(r["box"][0][1])), (float(r["box"][1][0]), float(r["box"][1][1])))
            if "box" in r
            else None,
        )
        for r in data.get("rounds", ())
    )
    mask, base = data.get("mask"), data.get("base")
    prompts = FramePrompts(rounds, mask_from_json(mask) if mask else None, mask_from_json(base) if base else None)
    times = tuple(str(r["time"]) for r in data.get("rounds", ()))
    return Said(prompts, times, mask["time"] if mask else None, mask["source"] if mask else "drawn")


def digest(*parts: object) -> int:
    """A 64-bit number, above 1, that stands for these values."""
    found = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return max(int.from_bytes(found, "little"), 2)


def prompts_digest(prompts: FramePrompts) -> int:
    """A 64-bit number that stands for what was said on a frame."""

    def of_mask(mask: MaskCrop | None) -> object:
        return None if mask is None else (mask.origin, mask.crop.shape, np.packbits(mask.crop).tobytes())

    rounds = tuple((r.clicks, r.box) for r in prompts.rounds)
    return digest(rounds, of_mask(prompts.mask), of_mask(prompts.base))
