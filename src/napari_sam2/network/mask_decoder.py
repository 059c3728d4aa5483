"""From image features and prompts to masks, their quality, and whether the object is there at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.network.attention import Attention
from napari_sam2.network.config import Sam2Config
from napari_sam2.network.layers import EPS_TRANSFORMER, LayerNorm2d, Mlp, deconvolved, gelu
from napari_sam2.network.prompt_encoder import PromptEmbedding

#: Masks 1-3 are alternatives for an ambiguous prompt, mask 0 the single answer to a clear one.
MASKS = 4


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves and to the image, then the image attends to the tokens."""

    def __init__(self, width: int, heads: int, ffn: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=EPS_TRANSFORMER)
        self.cross_attn_token_to_image = Attention(width, heads, inner=width // 2)
        self.norm2 = nn.LayerNorm(width, eps=EPS_TRANSFORMER)
        self.mlp = Mlp(width, ffn, width)
        self.norm3 = nn.LayerNorm(width, eps=EPS_TRANSFORMER)
        self.norm4 = nn.LayerNorm(width, eps=EPS_TRANSFORMER)
        self.cross_attn_image_to_token = Attention(width, heads, inner=width // 2)

    def forward(
        self, tokens: Tensor, image: Tensor, token_pos: Tensor, image_pos: Tensor, key_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Update tokens (N, P, C) and image (N, h*w, C)."""
        if self.first:  # no position and no residual in the first layer
            tokens = self.self_attn(tokens, tokens, tokens, key_mask)
        else:
            q = tokens + token_pos
            tokens = tokens + self.self_attn(q, q, tokens, key_mask)
        tokens = self.norm1(tokens)
        keys = image + image_pos
        look, tell = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        few = look.suits_few(tokens.shape[1])
        tokens = self.norm2(tokens + (look.from_few if few else look)(tokens + token_pos, keys, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = image + (tell.to_few if few else tell)(keys, tokens + token_pos, tokens, key_mask)
        return tokens, self.norm4(image)


class TwoWayTransformer(nn.Module):
    """Two such blocks and a last look of the tokens at the image."""

    def __init__(self, width: int, heads: int, ffn: int, depth: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(width, heads, ffn, first=i == 0) for i in range(depth))
        self.final_attn_token_to_image = Attention(width, heads, inner=width // 2)
        self.norm_final_attn = nn.LayerNorm(width, eps=EPS_TRANSFORMER)

    def forward(
        self, tokens: Tensor, image: Tensor, image_pos: Tensor, key_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return updated tokens (N, P, C) and image (N, h*w, C)."""
        token_pos = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pos, image_pos, key_mask)
        look = self.final_attn_token_to_image
        few = look.suits_few(tokens.shape[1])
        tokens = tokens + (look.from_few if few else look)(tokens + token_pos, image + image_pos, image)
        return self.norm_final_attn(tokens), image


@dataclass
class DecoderOutput:
    """Everything the decoder says about N cells.

    Parameters
    ----------
    logits_nmhw
        (N, 4, 4h, 4w) mask logits at stride 4, before absent objects are blanked.
    iou_nm
        (N, 4) predicted IoU of each mask, 0..1.
    object_logits_n
        (N,) above 0 where the object is there.
    mask_tokens_nmc
        (N, 4, C) the tokens that object pointers are made of.
    """

    logits_nmhw: Tensor
    iou_nm: Tensor
    object_logits_n: Tensor
    mask_tokens_nmc: Tensor


class MaskDecoder(nn.Module):
    """SAM 2's mask decoder (Ravi et al. 2024)."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        width = config.width
        self.transformer = TwoWayTransformer(width, config.decoder_heads, config.decoder_ffn)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(MASKS, width)
        self.obj_score_token = nn.Embedding(1, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.conv_s0 = nn.Conv2d(width, width // 8, kernel_size=1)
        self.conv_s1 = nn.Conv2d(width, width // 4, kernel_size=1)
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp(width, width, width, width // 8) for _ in range(MASKS))
        self.iou_prediction_head = Mlp(width, config.head_hidden, config.head_hidden, MASKS)
        self.pred_obj_score_head = Mlp(width, width, width, 1)

    def forward(
        self, features_nchw: Tensor, stride8_nchw: Tensor, stride4_nchw: Tensor, prompts: PromptEmbedding
    ) -> DecoderOutput:
        """Decode masks.

        Parameters
        ----------
        features_nchw
            (N, C, h, w) stride-16 features, conditioned on memory where there is any.
        stride8_nchw, stride4_nchw
            (N, C/4, 2h, 2w) and (N, C/8, 4h, 4w) finer features, after `conv_s1` and `conv_s0`.
        prompts
            Embedded prompts.
        """
        n, _, h, w = features_nchw.shape
        own = torch.cat((self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight))
        tokens = torch.cat((own[None].expand(n, -1, -1), prompts.tokens_npc.expand(n, -1, -1)), dim=1)
        key_mask = None
        if prompts.valid_np is not None:
            key_mask = F.pad(prompts.valid_np, (own.shape[0], 0), value=True)[:, None, None, :]
        image = (features_nchw + prompts.dense_nchw).flatten(2).transpose(1, 2)
        image_pos = prompts.grid_1chw.flatten(2).transpose(1, 2)
        tokens, image = self.transformer(tokens, image, image_pos, key_mask)

        object_logits = self.pred_obj_score_head(tokens[:, 0])[:, 0]
        iou = self.iou_prediction_head(tokens[:, 1]).sigmoid()
        mask_tokens = tokens[:, 2 : 2 + MASKS]
        masks = self._masks if torch.is_grad_enabled() else self._masks_by_products
        logits = masks(self._kernels(mask_tokens), image, stride8_nchw, stride4_nchw)
        return DecoderOutput(logits, iou, object_logits, mask_tokens)

    def _kernels(self, mask_tokens_nmc: Tensor) -> Tensor:
        """What each mask takes of the fine features: (N, 4, C/8)."""
        mlps = [cast(Mlp, mlp) for mlp in self.output_hypernetworks_mlps]
        if torch.is_grad_enabled():
            return torch.stack([mlp(mask_tokens_nmc[:, i]) for i, mlp in enumerate(mlps)], dim=1)
        x = mask_tokens_nmc.transpose(0, 1)  # all four in one product a layer
        for depth in range(len(mlps[0].layers)):
            of_masks = [cast(nn.Linear, mlp.layers[depth]) for mlp in mlps]
            weight = torch.stack([layer.weight for layer in of_masks]).transpose(1, 2)
            bias = torch.stack([layer.bias for layer in of_masks])[:, None]
            x = torch.baddbmm(bias, mlps[0].activation(x) if depth else x, weight)
        return x.transpose(0, 1)

    def _masks(self, kernels_nmc: Tensor, image_nlc: Tensor, stride8_nchw: Tensor, stride4_nchw: Tensor) -> Tensor:
        """Logits (N, 4, 4h, 4w) from the image's tokens and finer features."""
        high, wide = stride4_nchw.shape[2:]
        deconv1, norm, _, deconv2, _ = self.output_upscaling
        fine = gelu(norm(deconv1(image_nlc.transpose(1, 2).unflatten(2, (high // 4, wide // 4))) + stride8_nchw))
        fine = gelu(deconv2(fine) + stride4_nchw)
        return (kernels_nmc @ fine.flatten(2)).unflatten(2, (high, wide))

    def _masks_by_products(
        self, kernels_nmc: Tensor, image_nlc: Tensor, stride8_nchw: Tensor, stride4_nchw: Tensor
    ) -> Tensor:
        """The same without transposed convolutions, whose kernels for CPUs are slow."""
        h, w = stride4_nchw.shape[2] // 4, stride4_nchw.shape[3] // 4
        deconv1, deconv2 = (cast(nn.ConvTranspose2d, self.output_upscaling[i]) for i in (0, 3))
        norm = cast(LayerNorm2d, self.output_upscaling[1])
        fine = deconvolved(image_nlc.unflatten(1, (h, w)), deconv1, stride8_nchw.permute(0, 2, 3, 1))
        fine = gelu(norm.last(fine))
        fine = gelu(deconvolved(fine, deconv2, stride4_nchw.permute(0, 2, 3, 1)))
        return (kernels_nmc @ fine.flatten(1, 2).transpose(1, 2)).unflatten(2, (4 * h, 4 * w))
