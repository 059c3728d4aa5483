"""Position encodings: sine, random Fourier features, and axial rotary embeddings.

All are computed in float32 whatever the precision of the network. Maps smaller than the native one take positions in
the middle of it, at the native scale, so that a window sees the distances the network was trained on; the whole native
map is the special case with offset 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import ParamSpec, Self

import torch
from torch import Tensor, nn

SINE_TEMPERATURE = 10_000.0
ROPE_THETA = 10_000.0
#: Maps whose encodings are kept, of those that were asked for last.
KEPT = 16

P = ParamSpec("P")
_noted: ContextVar[list[Tensor] | None] = ContextVar("_noted", default=None)


@contextmanager
def noted() -> Iterator[list[Tensor]]:
    """Note what is handed out meanwhile, in this thread, of what is kept here.

    Calls that are recorded and replayed do not ask again, and read the same memory for ever: whoever records them has
    to hold these tensors, which are let go of here when other maps have come.
    """
    found: list[Tensor] = []
    before = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(before)


def _kept(compute: Callable[P, Tensor]) -> Callable[P, Tensor]:
    known = lru_cache(maxsize=KEPT)(compute)

    @wraps(compute)
    def look_up(*args: P.args, **options: P.kwargs) -> Tensor:
        tensor = known(*args, **options)  # type: ignore[arg-type]  # numbers and devices, which are hashable
        notes = _noted.get()
        if notes is not None:
            notes.append(tensor)
        return tensor

    return look_up


def frame_of(tokens: int, native: int) -> tuple[float, float]:
    """Place a map of `tokens` along one axis in the native frame.

    Parameters
    ----------
    tokens
        Length of the map.
    native
        Length of the native map.

    Returns
    -------
    offset, span
        Position of the first token and length of the frame, in tokens; ``(0, tokens)`` for maps of native size or more.
    """
    return (0.0, float(tokens)) if tokens >= native else ((native - tokens) / 2.0, float(native))


@_kept
def sine_positions(height: int, width: int, channels: int, native: int, device: torch.device) -> Tensor:
    """Two-dimensional sine encoding: (channels, height, width), float32.

    Positions are 1-based, divided by (last + 1e-6), times 2 pi; the first half of the channels encodes y, the second x,
    sine and cosine interleaved (Carion et al. 2020).
    """
    with torch.inference_mode(False):  # kept for later calls, which may train
        half = channels // 2
        index = torch.arange(half, dtype=torch.float32, device=device)
        divisor = SINE_TEMPERATURE ** (2 * torch.div(index, 2, rounding_mode="floor") / half)

        def axis(n: int) -> Tensor:
            offset, span = frame_of(n, native)
            at = (torch.arange(1, n + 1, dtype=torch.float32, device=device) + offset) / (span + 1e-6) * (2 * math.pi)
            phase = at[:, None] / divisor
            return torch.stack((phase[:, 0::2].sin(), phase[:, 1::2].cos()), dim=2).flatten(1)

        y, x = axis(height), axis(width)
        both = torch.cat((y[:, None].expand(-1, width, -1), x[None].expand(height, -1, -1)), dim=-1)
        return both.permute(2, 0, 1)


def sine_1d(positions: Tensor, channels: int) -> Tensor:
    """Encode scalar positions (...,) as (..., channels): all sines, then all cosines; float32."""
    half = channels // 2
    index = torch.arange(half, dtype=torch.float32, device=positions.device)
    divisor = SINE_TEMPERATURE ** (2 * torch.div(index, 2, rounding_mode="floor") / half)
    phase = positions.float()[..., None] / divisor
    return torch.cat((phase.sin(), phase.cos()), dim=-1)


class RandomFourier(nn.Module):
    """Encoding of points in the unit square by random frequencies (Tancik et al. 2020)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, channels // 2))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move to a device; the frequencies stay float32 whatever the precision of the network."""
        super()._apply(fn, recurse)
        if self.positional_encoding_gaussian_matrix.is_floating_point():
            self.positional_encoding_gaussian_matrix = self.positional_encoding_gaussian_matrix.float()
        return self

    def forward(self, xy_unit: Tensor) -> Tensor:
        """Encode points (..., 2), x and y in [0, 1], as (..., channels), float32."""
        with torch.autocast(xy_unit.device.type, enabled=False):
            turns = (2 * xy_unit.float() - 1) @ self.positional_encoding_gaussian_matrix.float()
            phase = 2 * math.pi * turns
            return torch.cat((phase.sin(), phase.cos()), dim=-1)

    def grid(self, height: int, width: int, native: int) -> Tensor:
        """Encode the centres of a token map: (channels, height, width)."""
        device = self.positional_encoding_gaussian_matrix.device

        def axis(n: int) -> Tensor:
            offset, span = frame_of(n, native)
            return (torch.arange(n, dtype=torch.float32, device=device) + 0.5 + offset) / span

        y, x = torch.meshgrid(axis(height), axis(width), indexing="ij")
        return self(torch.stack((x, y), dim=-1)).permute(2, 0, 1)


def rope_turns(rows_n: Tensor, columns_n: Tensor, channels: int) -> Tensor:
    """Unit complex numbers of the axial rotary embedding (Su et al. 2021; Heo et al. 2024).

    Parameters
    ----------
    rows_n, columns_n
        Token coordinates of any shape (...,), whole numbers as float or integer.
    channels
        Width of the vectors to be rotated; ``channels / 4`` pairs turn with x, then as many with y.

    Returns
    -------
    Tensor
        (..., channels / 2), complex64. Turns multiply where places add, so those of a moved window are those of the
        window at rest times one number for each pair.
    """
    pairs = channels // 4
    exponent = torch.arange(pairs, dtype=torch.float32, device=rows_n.device) * 4 / channels
    frequency = ROPE_THETA**-exponent
    angles = torch.cat((columns_n.float()[..., None] * frequency, rows_n.float()[..., None] * frequency), dim=-1)
    return torch.complex(angles.cos(), angles.sin())


@_kept
def window_turns(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Turns of the tokens of a window whose first token is the origin: (height * width, channels / 2), complex64."""
    with torch.inference_mode(False):
        rows = torch.arange(height, device=device)[:, None].expand(height, width)
        columns = torch.arange(width, device=device)[None].expand(height, width)
        return rope_turns(rows.flatten(), columns.flatten(), channels)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate adjacent pairs of channels, in float32; returns the type of `x`.

    Parameters
    ----------
    x
        (..., channels).
    turns
        (..., channels / 2) complex, broadcastable to `x`'s leading axes.
    """
    # Complex multiplication is the rotation of a pair, and twice as fast as writing it out.
    exact = x.float()
    pairs = torch.view_as_complex(exact.unflatten(-1, (-1, 2)))
    if exact is not x and not torch.is_grad_enabled():
        pairs *= turns
        return exact.to(x.dtype)
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)
