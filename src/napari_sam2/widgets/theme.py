"""Colours of the views, read from napari's theme: ink and paper, and signs that can be told apart in every theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RGB = tuple[int, int, int]
Ramp = npt.NDArray[np.uint8]

SURE, DOUBTFUL = (49, 130, 206), (237, 137, 54)
"""Blue and orange: the pair that all common kinds of colour vision tell apart."""
STEPS = 64
UNSURE = 0.4
"""Object score up to which the model rather thinks that the cell is not there."""


@dataclass(frozen=True)
class Theme:
    """Colours for drawing.

    Parameters
    ----------
    paper, raised
        Background, and what stands out from it a little.
    ink, faint
        Text and signs; lines that should not draw attention.
    accent
        What is chosen.
    warning
        What asks to be looked at.
    dark
        Whether ink is lighter than paper.
    """

    paper: RGB = (38, 41, 48)
    raised: RGB = (65, 72, 81)
    ink: RGB = (240, 241, 242)
    faint: RGB = (120, 128, 138)
    accent: RGB = (0, 122, 204)
    warning: RGB = (227, 182, 23)

    @property
    def dark(self) -> bool:
        return luminance(self.ink) > luminance(self.paper)

    def ramp(self) -> Ramp:
        """(STEPS, 3) colours for object scores from 0 to 1: orange up to `UNSURE`, blue at 1."""
        weight = np.clip((np.linspace(0, 1, STEPS) - UNSURE) / (1 - UNSURE), 0, 1)[:, None]
        low, high = (np.array(away_from(c, self.paper), float) for c in (DOUBTFUL, SURE))
        middle = np.array(mix(self.ink, self.faint, 0.6), float)
        first = low * (1 - 2 * weight) + middle * 2 * weight
        second = middle * (2 - 2 * weight) + high * (2 * weight - 1)
        return np.where(weight < 0.5, first, second).astype(np.uint8)


def theme_of(viewer: Any) -> Theme:
    """Colours of the theme that a viewer shows; the dark one's where it has none."""
    from napari.utils.theme import get_theme

    name = getattr(viewer, "theme", None)
    try:
        found = get_theme(str(name))
    except ValueError:  # a theme that was removed while it was shown
        return Theme()

    def rgb(colour: Any) -> RGB:
        r, g, b = (int(v) for v in colour.as_rgb_tuple()[:3])
        return r, g, b

    paper, ink = rgb(found.background), rgb(found.text)
    return Theme(paper, rgb(found.foreground), ink, mix(paper, ink, 0.5), rgb(found.current), rgb(found.warning))


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """`share` of b in a."""
    r, g, b_ = (round(x * (1 - share) + y * share) for x, y in zip(a, b, strict=True))
    return r, g, b_


def luminance(colour: RGB) -> float:
    """Relative luminance, 0..1 (WCAG 2.2)."""
    linear = [v / 3294.6 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: RGB, b: RGB) -> float:
    """Contrast ratio, 1..21 (WCAG 2.2)."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def away_from(colour: RGB, paper: RGB, least: float = 3.0) -> RGB:
    """The colour, made lighter or darker until it has the contrast that signs need (WCAG 2.2, 1.4.11)."""
    target: RGB = (255, 255, 255) if luminance(paper) < 0.18 else (0, 0, 0)
    for share in np.linspace(0, 1, 21):
        found = mix(colour, target, float(share))
        if contrast(found, paper) >= least:
            return found
    return target
