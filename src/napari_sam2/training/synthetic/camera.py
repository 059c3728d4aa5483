"""From light to camera numbers: optics, illumination, noise, faults of the acquisition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .recipe import CameraRecipe
from .shapes import F32


class Camera:
    """A camera on a microscope: its light field and its faults, the same through a movie.

    Parameters
    ----------
    recipe : CameraRecipe
    shape : tuple of int
        (Y, X) of a frame.
    rng : numpy Generator
    """

    def __init__(self, recipe: CameraRecipe, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.recipe, self.shape, self.rng = recipe, shape, rng
        y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
        cy, cx = rng.uniform(-0.4, 0.4, 2).astype(np.float32)
        angle = float(rng.uniform(0, 2 * np.pi))
        bowl = (y - cy) ** 2 + (x - cx) ** 2
        self.light = 1 - np.float32(recipe.vignette * 0.5) * bowl
        self.tilt = np.float32(recipe.gradient) * (np.float32(np.sin(angle)) * y + np.float32(np.cos(angle)) * x)
        self.stage = np.zeros(2)
        self.focus = 1.0

    def move_stage(self) -> tuple[float, float]:
        """Return where the stage stands (y, x) px in the next frame."""
        self.stage = 0.95 * self.stage + self.recipe.stage_jitter * self.rng.standard_normal(2)
        if self.rng.random() < self.recipe.jump_rate:
            self.stage = self.stage + self.recipe.jump_size * self.rng.standard_normal(2)
        return float(self.stage[0]), float(self.stage[1])

    def expose(self, light: F32, frame: int, transmitted: bool) -> npt.NDArray[np.uint16]:
        """Take one picture.

        Parameters
        ----------
        light : ndarray, (Y, X) float32
            1 is the typical cell (fluorescence) or white (transmitted light).
        frame : int
            Number of the frame, for bleaching.
        transmitted : bool
            In transmitted light nothing bleaches and the gradient multiplies.

        Returns
        -------
        ndarray, (Y, X) uint16
        """
        recipe, rng = self.recipe, self.rng
        self.focus = 0.7 * self.focus + 0.3 + recipe.focus_wander * 0.5 * float(rng.standard_normal())
        blur = recipe.blur * float(np.clip(self.focus, 0.5, 3.0))
        image = ndimage.gaussian_filter(light, blur, mode="nearest", truncate=3.0) if blur > 0.25 else light.copy()
        level = 1 + recipe.flicker * float(rng.standard_normal())
        if transmitted:
            image = image * (self.light * (1 + self.tilt)) * np.float32(level)
        else:
            level *= float(np.exp(-recipe.bleaching * frame))
            image = (image + np.float32(recipe.background) * (1 + self.tilt)) * self.light * np.float32(level)
        np.maximum(image, 0, out=image)
        # Shot noise of more than a few electrons is Gaussian to the eye, and far cheaper to draw than Poisson.
        noise = rng.standard_normal(self.shape, dtype=np.float32)
        noise *= np.sqrt(image * np.float32(1.0 / recipe.photons) + np.float32(recipe.read_noise**2))
        image += noise
        top = float((1 << recipe.bits) - 1)
        offset = 0.02 * top
        image *= np.float32(recipe.gain * top)
        image += np.float32(offset)
        np.clip(image, 0, top, out=image)
        return image.astype(np.uint16)

    def black(self) -> npt.NDArray[np.uint16]:
        """A frame without light."""
        top = float((1 << self.recipe.bits) - 1)
        noise = self.rng.standard_normal(self.shape, dtype=np.float32)
        noise *= np.float32(self.recipe.read_noise * self.recipe.gain * top)
        return np.clip(noise + np.float32(0.02 * top), 0, top).astype(np.uint16)
