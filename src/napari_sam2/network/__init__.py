"""SAM 2 and 2.1 in PyTorch: tensors in, tensors out, one component a file.

Nothing here knows of movies, files or windows on a screen; the only imports are torch and the standard library.
Module and parameter names are those of the published checkpoints, so that these load with ``strict=True``.
Everything is batched over cells: one call takes N cells with different prompts and different memories.
"""

from napari_sam2.network.config import CONFIGS, ConvTrunkConfig, HieraConfig, Sam2Config
from napari_sam2.network.memory_attention import MemoryBatch
from napari_sam2.network.model import ImageFeatures, Sam2, Selection, normalise
from napari_sam2.network.prompt_encoder import Prompts
from napari_sam2.network.windows import gather_windows

__all__ = [
    "CONFIGS",
    "ConvTrunkConfig",
    "HieraConfig",
    "ImageFeatures",
    "MemoryBatch",
    "Prompts",
    "Sam2",
    "Sam2Config",
    "Selection",
    "gather_windows",
    "normalise",
]
