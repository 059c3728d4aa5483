"""Configurations of the network: the eight published ones, and smaller networks of the same kind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

#: Model pixels along one side of a token (the stride of the map on which memories and windows live).
TOKEN_STRIDE = 16


@dataclass(frozen=True)
class HieraConfig:
    """The hierarchical vision transformer of the published models (Ryali et al. 2023, "Hiera").

    Parameters
    ----------
    width
        Channels of the first stage; each later stage doubles them.
    heads
        Attention heads of the first stage; each later stage doubles them.
    blocks
        Blocks of the four stages (strides 4, 8, 16, 32).
    windows
        Attention window of each stage, in tokens of that stage.
    global_blocks
        Indices (over all blocks) of those that attend to the whole map.
    pos_embed_size
        Side of the learned background position embedding, stretched to the map.
    """

    width: int = 96
    heads: int = 1
    blocks: tuple[int, int, int, int] = (1, 2, 7, 2)
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    pos_embed_size: int = 7

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels at strides 4, 8, 16 and 32."""
        return (self.width, self.width * 2, self.width * 4, self.width * 8)


@dataclass(frozen=True)
class ConvTrunkConfig:
    """A plain residual convolutional trunk, translation-equivariant and quick on a CPU.

    Parameters
    ----------
    widths
        Channels at strides 4, 8, 16 and 32.
    blocks
        Residual blocks (two 3x3 convolutions each) at these strides.
    stem_width
        Channels of the first convolution, at stride 2.
    """

    widths: tuple[int, int, int, int] = (64, 128, 192, 256)
    blocks: tuple[int, int, int, int] = (2, 2, 3, 2)
    stem_width: int = 32


@dataclass(frozen=True)
class Sam2Config:
    """Everything that determines the shape of a SAM 2 network.

    Parameters
    ----------
    name
        A label for people; has no effect.
    trunk
        Image trunk: `HieraConfig` (published) or `ConvTrunkConfig`.
    image_size
        Native side of the input in model pixels, a multiple of 32. Position encodings are relative to it.
    width
        Channels of the stride-16 features, prompts and pointers.
    memory_width
        Channels of a stored memory.
    memory_layers, memory_ffn
        Layers of the memory attention and the width of their feed-forward parts.
    decoder_heads, decoder_ffn
        Heads and feed-forward width of the mask decoder's two-way transformer.
    head_hidden
        Hidden width of the decoder's IoU head.
    memory_frames
        Spatial memories with their own temporal embedding: the conditioning one and the recent ones.
    max_pointers
        Object pointers looked at, conditioning ones included.
    pointer_span
        Distance in frames that the pointers' time encoding is relative to; None takes one less than the number of
        pointers a movie of its length can have, as published.
    version
        ``"2.1"`` or ``"2.0"``; 2.1 adds the time encoding of pointers and the embedding of absent objects.
    stability_delta, stability_threshold
        The single mask gives way to the best of three when the ratio of its areas above ``+delta`` and ``-delta``
        falls below the threshold. A threshold of 0 always takes the single mask.
    multimask_clicks, multimask_tracking
        Whether the best of three masks answers a single click, and on frames that nobody prompted, as published, or
        always the single one. Three are for prompts that mean several things; which is best the network must guess.
    """

    name: str = "sam2.1-tiny"
    trunk: HieraConfig | ConvTrunkConfig = HieraConfig()
    image_size: int = 1024
    width: int = 256
    memory_width: int = 64
    memory_layers: int = 4
    memory_ffn: int = 2048
    decoder_heads: int = 8
    decoder_ffn: int = 2048
    head_hidden: int = 256
    memory_frames: int = 7
    max_pointers: int = 16
    pointer_span: float | None = None
    version: str = "2.1"
    stability_delta: float = 0.05
    stability_threshold: float = 0.98
    multimask_clicks: bool = True
    multimask_tracking: bool = True

    def __post_init__(self) -> None:
        if self.image_size % 32:
            raise ValueError(f"image_size must be a multiple of 32, got {self.image_size}")
        if self.version not in ("2.0", "2.1"):
            raise ValueError(f"version must be '2.0' or '2.1', got {self.version!r}")
        if self.width % self.memory_width:
            raise ValueError(
                f"width ({self.width}) must be a multiple of memory_width ({self.memory_width}): "
                "a pointer is cut into whole memory tokens"
            )
        if self.width % 8 or (self.width // 2) % self.decoder_heads:
            raise ValueError(f"width {self.width} does not fit {self.decoder_heads} decoder heads")

    @property
    def native_tokens(self) -> int:
        """Side of the native token map (``image_size / 16``)."""
        return self.image_size // TOKEN_STRIDE

    @property
    def recent_frames(self) -> int:
        """Number of recent (non-conditioning) spatial memories."""
        return self.memory_frames - 1

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` reads it back."""
        out = asdict(self)
        out["trunk"]["kind"] = "hiera" if isinstance(self.trunk, HieraConfig) else "conv"
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Sam2Config:
        """Build a configuration from `to_dict`'s output.

        Raises
        ------
        ValueError
            If a key is unknown or the kind of trunk is neither ``"hiera"`` nor ``"conv"``.
        """
        data = dict(data)
        trunk = dict(data.pop("trunk"))
        kind = trunk.pop("kind", None)
        kinds: dict[Any, Any] = {"hiera": HieraConfig, "conv": ConvTrunkConfig}
        if kind not in kinds:
            raise ValueError(f"unknown kind of trunk {kind!r}; expected 'hiera' or 'conv'")
        frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in trunk.items()}
        try:
            return cls(trunk=kinds[kind](**frozen), **data)
        except TypeError as error:
            raise ValueError(f"not a network configuration of this version: {error}") from error


_TINY = HieraConfig()
_SMALL = HieraConfig(blocks=(1, 2, 11, 2), global_blocks=(7, 10, 13))
_BASE_PLUS = HieraConfig(width=112, heads=2, blocks=(2, 3, 16, 3), global_blocks=(12, 16, 20), pos_embed_size=14)
_LARGE = HieraConfig(
    width=144, heads=2, blocks=(2, 6, 36, 4), windows=(8, 4, 16, 8), global_blocks=(23, 33, 43), pos_embed_size=7
)

#: The bundled model: a convolutional trunk under SAM 2's neck, prompt encoder, decoder and memory.
CELL = Sam2Config(
    name="cell",
    trunk=ConvTrunkConfig(),
    image_size=256,
    width=128,
    memory_width=64,
    memory_layers=2,
    memory_ffn=512,
    decoder_heads=4,
    decoder_ffn=512,
    head_hidden=128,
    pointer_span=15.0,
    stability_threshold=0.0,
    multimask_clicks=False,
    multimask_tracking=False,
)


def _published() -> dict[str, Sam2Config]:
    sizes = {"tiny": _TINY, "small": _SMALL, "base-plus": _BASE_PLUS, "large": _LARGE}
    newest = {f"sam2.1-{size}": Sam2Config(name=f"sam2.1-{size}", trunk=trunk) for size, trunk in sizes.items()}
    older = {
        name.replace("2.1", "2"): replace(config, name=name.replace("2.1", "2"), version="2.0")
        for name, config in newest.items()
    }
    return newest | older


#: Every configuration with a name, by name.
CONFIGS: dict[str, Sam2Config] = {**_published(), "cell": CELL}
