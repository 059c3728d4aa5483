"""Small networks, packs and sources for the tests of training."""

from __future__ import annotations

import numpy as np

from napari_sam2.network.config import ConvTrunkConfig, Sam2Config
from napari_sam2.training.clip import Clip
from napari_sam2.training.pack import Pack, PackWriter

TINY = Sam2Config(
    name="tiny-test",
    trunk=ConvTrunkConfig(widths=(8, 8, 16, 16), blocks=(1, 1, 1, 1), stem_width=8),
    image_size=128,
    width=32,
    memory_width=16,
    memory_layers=1,
    memory_ffn=32,
    decoder_heads=2,
    decoder_ffn=32,
    head_hidden=32,
)


def discs(seed: int, side: int = 160, cells: int = 12, radius: float = 10) -> tuple[np.ndarray, np.ndarray]:
    """A uint8 image of bright discs on a dark ground, and its labels; both (side, side)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.uint16)
    for cell in range(1, cells + 1):
        cy, cx = rng.uniform(radius, side - radius, 2)
        disc = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        if not labels[disc].any():
            labels[disc] = cell
    image = np.where(labels > 0, 170, 30) + rng.normal(0, 6, labels.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def disc_pack(stills: int = 4) -> Pack:
    """A pack with stills for training, one for validation, and a short movie."""
    writer = PackWriter()
    for index in range(stills):
        image, labels = discs(index)
        writer.add(f"discs/{index}", "fluo", image[None], labels[None], index == 0)
    image, labels = discs(99)
    movie = np.stack([np.roll(image, 2 * t, 1) for t in range(6)])
    writer.add("discs/movie", "phase", movie, np.stack([np.roll(labels, 2 * t, 1) for t in range(6)]), False)
    return writer.pack()


class DiscSource:
    """Clips of discs that drift to the right; ids persist by construction."""

    def sample(self, rng: np.random.Generator, size: int, length: int) -> Clip:
        """Return a clip (see `ClipSource`)."""
        image, labels = discs(int(rng.integers(1 << 30)), size)
        frames = np.stack([np.roll(image, 3 * t, 1) for t in range(length)]).astype(np.float32) / 255
        tracks = np.stack([np.roll(labels, 3 * t, 1) for t in range(length)]).astype(np.int32)
        return Clip(frames, tracks, {}, "discs")
