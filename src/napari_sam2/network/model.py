"""SAM 2 as one module: the parts, and the few calls that tracking and training are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.config import TOKEN_STRIDE, Sam2Config
from napari_sam2.network.image_encoder import ImageEncoder
from napari_sam2.network.layers import Mlp, upscaled
from napari_sam2.network.mask_decoder import DecoderOutput, MaskDecoder
from napari_sam2.network.memory_attention import MemoryAttention, MemoryBatch
from napari_sam2.network.memory_encoder import MASK_BIAS, MASK_SCALE, MemoryEncoder
from napari_sam2.network.positions import sine_1d
from napari_sam2.network.prompt_encoder import PromptEmbedding, PromptEncoder, Prompts

#: Mean and standard deviation of the images that the published models were trained on, for values in 0..1.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
#: Logit of a mask whose object is absent.
ABSENT_LOGIT = -1024.0
#: Logits of an earlier mask are fed back clamped to this.
FEEDBACK_CLAMP = 32.0


def normalise(images_bchw: Tensor, out: Tensor | None = None) -> Tensor:
    """Bring images (B, 3, H, W) with values in 0..1 to the mean and deviation that the network expects.

    The result is written to `out` where that is given.
    """
    mean = images_bchw.new_tensor(IMAGE_MEAN).view(3, 1, 1)
    std = images_bchw.new_tensor(IMAGE_STD).view(3, 1, 1)
    if out is None:
        return (images_bchw - mean) / std
    return torch.sub(images_bchw, mean, out=out).div_(std)


@dataclass
class ImageFeatures:
    """Features of a batch of images, shared by all cells on them.

    Parameters
    ----------
    stride4, stride8, stride16
        (B, C/8, H/4, W/4), (B, C/4, H/8, W/8) and (B, C, H/16, W/16).
    """

    stride4: Tensor
    stride8: Tensor
    stride16: Tensor


@dataclass
class Selection:
    """The chosen mask of each of N cells.

    Parameters
    ----------
    logits_nhw
        (N, 4h, 4w) logits at stride 4, -1024 where the cell is absent.
    iou_n
        (N,) predicted IoU.
    index_n
        (N,) which of the four masks it is.
    pointer_nc
        (N, C) object pointer.
    object_logits_n
        (N,) above 0 where the cell is there.
    """

    logits_nhw: Tensor
    iou_n: Tensor
    index_n: Tensor
    pointer_nc: Tensor
    object_logits_n: Tensor


class Sam2(nn.Module):
    """Segment Anything 2 and 2.1 (Ravi et al. 2024) for batches of cells.

    ``state_dict()`` has the names and shapes of the published checkpoints.

    Parameters
    ----------
    config
        Sizes of everything.
    """

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.config = config
        width, memory_width = config.width, config.memory_width
        self.image_encoder = ImageEncoder(config)
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        self.sam_prompt_encoder = PromptEncoder(config)
        self.sam_mask_decoder = MaskDecoder(config)
        self.obj_ptr_proj = Mlp(width, width, width, width)
        self.maskmem_tpos_enc = nn.Parameter(_small(config.memory_frames, 1, 1, memory_width))
        self.no_mem_embed = nn.Parameter(_small(1, 1, width))
        self.no_mem_pos_enc = nn.Parameter(_small(1, 1, width))  # in every checkpoint, used by none
        self.no_obj_ptr = nn.Parameter(_small(1, width))
        if config.version == "2.1":
            self.no_obj_embed_spatial = nn.Parameter(_small(1, memory_width))
            self.obj_ptr_tpos_proj = nn.Linear(width, memory_width)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.no_mem_embed.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self.no_mem_embed.dtype

    def encode_image(self, images_bchw: Tensor) -> ImageFeatures:
        """Encode normalised images (B, 3, H, W); H and W are multiples of 32.

        Raises
        ------
        ValueError
            If a side is not a multiple of 32.
        """
        if images_bchw.shape[-2] % 32 or images_bchw.shape[-1] % 32:
            raise ValueError(f"image sides must be multiples of 32 model px, got {tuple(images_bchw.shape[-2:])}")
        stride4, stride8, stride16 = self.image_encoder(images_bchw)
        decoder = self.sam_mask_decoder
        return ImageFeatures(decoder.conv_s0(stride4), decoder.conv_s1(stride8), stride16)

    def without_memory(self, stride16_nchw: Tensor) -> Tensor:
        """Features of a cell of which nothing is remembered yet: (N, C, h, w)."""
        return stride16_nchw + self.no_mem_embed.view(1, -1, 1, 1)

    def attend(self, stride16_nchw: Tensor, memory: MemoryBatch | None) -> Tensor:
        """Condition raw features (N, C, h, w) on memory; rows without any valid memory get `without_memory`."""
        if memory is None:
            return self.without_memory(stride16_nchw)
        place = self.pointer_positions(memory.pointer_time_np, memory.pointer_span)
        time_embed = self.maskmem_tpos_enc.flatten(0, 2)
        if memory.all_valid:
            return self.memory_attention(stride16_nchw, memory, time_embed, place)
        empty = ~(memory.spatial_valid_nm.any(1) | memory.pointer_valid_np.any(1))
        # A row that may look at nothing would divide by zero: let it look at its first slot and throw that away.
        guarded = memory.spatial_valid_nm.clone()
        guarded[:, 0] |= empty
        batch = MemoryBatch(**{**vars(memory), "spatial_valid_nm": guarded})
        conditioned = self.memory_attention(stride16_nchw, batch, time_embed, place)
        return torch.where(empty.view(-1, 1, 1, 1), self.without_memory(stride16_nchw), conditioned)

    def pointer_positions(self, time_np: Tensor, span: float) -> Tensor:
        """Time encoding (N, P, memory_width) of pointers; zero in 2.0."""
        if self.config.version == "2.0":
            return torch.zeros(*time_np.shape, self.config.memory_width, device=time_np.device, dtype=self.dtype)
        encoded = sine_1d(time_np.float() / span, self.config.width)
        return self.obj_ptr_tpos_proj(encoded.to(self.obj_ptr_tpos_proj.weight.dtype))

    def embed_prompts(self, prompts: Prompts, size: tuple[int, int]) -> PromptEmbedding:
        """Embed prompts for windows of ``size = (h, w)`` tokens."""
        return self.sam_prompt_encoder(prompts, size)

    def decode(
        self, features_nchw: Tensor, stride8_nchw: Tensor, stride4_nchw: Tensor, prompts: PromptEmbedding
    ) -> DecoderOutput:
        """Decode masks from conditioned features; see `MaskDecoder`."""
        return self.sam_mask_decoder(features_nchw, stride8_nchw, stride4_nchw, prompts)

    def select(self, output: DecoderOutput, multimask_n: Tensor) -> Selection:
        """Choose one mask a cell and make its pointer.

        Parameters
        ----------
        output
            What the decoder said.
        multimask_n
            (N,) bool: true takes the best of masks 1-3 (at most one click, or none); false takes mask 0 unless it is
            unstable.

        Notes
        -----
        The pointer of an unstable mask 0 is still made from token 0, as published.
        """
        rows = torch.arange(len(multimask_n), device=multimask_n.device)
        iou = output.iou_nm.float()
        best = iou[:, 1:].argmax(1) + 1
        single = torch.where(self._stable(output.logits_nmhw[:, 0]), torch.zeros_like(best), best)
        index = torch.where(multimask_n, best, single)
        token = torch.where(multimask_n, best, torch.zeros_like(best))
        pointer = self.make_pointer(output.mask_tokens_nmc[rows, token], output.object_logits_n)
        present = (output.object_logits_n > 0)[:, None, None]
        logits = output.logits_nmhw[rows, index]
        logits = torch.where(present, logits, ABSENT_LOGIT)
        return Selection(logits, iou[rows, index], index, pointer, output.object_logits_n)

    def make_pointer(self, tokens_nc: Tensor, object_logits_n: Tensor) -> Tensor:
        """Object pointers (N, C) from mask tokens, switched hard to `no_obj_ptr` where the cell is absent."""
        present = (object_logits_n > 0)[:, None]
        return torch.where(present, self.obj_ptr_proj(tokens_nc), self.no_obj_ptr)

    def _stable(self, logits_nhw: Tensor) -> Tensor:
        """Whether the area of a mask hardly depends on the threshold: (N,) bool."""
        delta, threshold = self.config.stability_delta, self.config.stability_threshold
        if threshold <= 0:  # nobody asks
            return torch.ones(len(logits_nhw), dtype=torch.bool, device=logits_nhw.device)
        flat = logits_nhw.float().flatten(1)
        inner, outer = (flat > delta).sum(1), (flat > -delta).sum(1)
        score = torch.where(outer > 0, inner / outer.clamp(min=1), torch.ones_like(inner, dtype=torch.float32))
        return score >= threshold

    def encode_memory(
        self, stride16_nchw: Tensor, mask_logits_nhw: Tensor, object_logits_n: Tensor, hard_n: Tensor
    ) -> Tensor:
        """Encode memories (N, memory_width, h, w).

        Parameters
        ----------
        stride16_nchw
            Raw features, not conditioned on memory.
        mask_logits_nhw
            (N, 16h, 16w) mask logits at model resolution, or (N, 4h, 4w) at stride 4, which are upscaled.
        object_logits_n
            (N,) object score logits.
        hard_n
            (N,) bool, true on frames prompted by clicks, boxes or masks.
        """
        memory = self.memory_encoder(stride16_nchw, mask_logits_nhw, hard_n)
        if self.config.version == "2.0":
            return memory
        absent = (object_logits_n <= 0).view(-1, 1, 1, 1)
        return memory + torch.where(absent, self.no_obj_embed_spatial.view(1, -1, 1, 1), 0.0).to(memory.dtype)

    def mask_as_output(
        self, stride16_nchw: Tensor, stride8_nchw: Tensor, stride4_nchw: Tensor, masks_nhw: Tensor
    ) -> Selection:
        """Take given masks as the answer (mask prompts); only the pointer comes from the decoder.

        Parameters
        ----------
        stride16_nchw, stride8_nchw, stride4_nchw
            Raw features of the windows.
        masks_nhw
            (N, 16h, 16w) masks, 0 or 1, at model resolution.
        """
        masks = masks_nhw.to(stride16_nchw.dtype)[:, None]
        logits = masks * MASK_SCALE + MASK_BIAS
        low = F.interpolate(logits.float(), scale_factor=1 / 4, mode="bilinear", align_corners=False, antialias=True)[
            :, 0
        ]
        size = (stride16_nchw.shape[-2], stride16_nchw.shape[-1])
        prompts = Prompts.none(1, device=masks.device)
        embedding = self.embed_prompts(prompts, size)
        embedding.dense_nchw = self.sam_prompt_encoder(
            Prompts(prompts.points_npx2, prompts.labels_np, self.mask_downsample(masks)[:, 0]), size
        ).dense_nchw
        output = self.decode(stride16_nchw, stride8_nchw, stride4_nchw, embedding)
        present = masks_nhw.flatten(1).any(1)
        object_logits = torch.where(present, -MASK_BIAS, MASK_BIAS).to(output.object_logits_n)
        pointer = self.make_pointer(output.mask_tokens_nmc[:, 0], output.object_logits_n)
        pointer = torch.where(present[:, None], pointer, self.no_obj_ptr)
        zero = torch.zeros(len(masks), dtype=torch.long, device=masks.device)
        return Selection(low.to(masks.dtype), torch.ones_like(object_logits), zero, pointer, object_logits)


def _small(*shape: int) -> Tensor:
    """Truncated normal numbers of deviation 0.02, the usual start of embeddings."""
    return nn.init.trunc_normal_(torch.zeros(*shape), std=0.02)


def upscale_logits(logits_nhw: Tensor, factor: int = TOKEN_STRIDE // 4) -> Tensor:
    """Bilinear upscaling of stride-4 logits to model resolution, in float32."""
    return upscaled(logits_nhw, factor)
