"""Pictures as pixel tensors, and the distortions that teach more than two artists can."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's channel statistics, as in BLIP-2's image processor."""


def decode(data: Sequence[bytes]) -> Tensor:
    """Encoded pictures -> [n, 3, side, side] in 0..1."""
    arrays = [np.asarray(Image.open(io.BytesIO(d)).convert("RGB")) for d in data]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().div_(255)


def normalise(pixels: Tensor) -> Tensor:
    """0..1 pixels to what the vision tower takes."""
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def augment(pixels: Tensor, flip: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Distort [n, 3, s, s] pictures: shape, manner of drawing, colour, background, blur, holes.

    `flip` [n] bool says which are no flags: these may be mirrored, redrawn and given any colour (a
    mirrored or recoloured flag is another flag). `strength` 1 is what the vision stages use, smaller
    is milder.
    """
    n, _, side, _ = pixels.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    def chance(p: float) -> Tensor:
        return torch.rand(n, generator=generator) < p

    out = pixels.clone()
    white = (out > 0.97).all(1, keepdim=True) & chance(0.5).view(n, 1, 1, 1)
    out = torch.where(white, uniform(0.55, 1.0, n, 3, 1, 1), out)
    angle = uniform(-0.3, 0.3, n) * strength
    scale = torch.exp(uniform(-0.25, 0.25, n) * strength)
    stretch = torch.exp(uniform(-0.15, 0.15, n) * strength)
    mirror = torch.where(flip & chance(0.5), -1.0, 1.0)
    shear = uniform(-0.15, 0.15, n) * strength
    shift = uniform(-0.15, 0.15, n, 2) * strength
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.cos(angle) * scale * stretch * mirror
    theta[:, 0, 1] = -torch.sin(angle) * scale + shear
    theta[:, 1, 0] = torch.sin(angle) * scale * mirror
    theta[:, 1, 1] = torch.cos(angle) * scale / stretch
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, [n, 3, side, side], align_corners=False)
    bent = torch.where(flip & chance(0.7), 0.12, 0.04).view(n, 1, 1, 1) * strength
    field = F.interpolate(uniform(-1, 1, n, 2, 5, 5), size=side, mode="bicubic", align_corners=True)
    grid = grid + (bent * field).permute(0, 2, 3, 1)
    out = F.grid_sample(out, grid, mode="bilinear", padding_mode="border", align_corners=False)
    out = _redrawn(out, flip, generator, strength)
    out = _recolour(out, flip, generator, strength)
    blurred = F.avg_pool2d(F.pad(out, (1, 1, 1, 1), mode="replicate"), 3, 1)
    out = torch.where(chance(0.25 * strength).view(n, 1, 1, 1), blurred, out)
    hole = int(side * 0.3)
    for i in chance(0.25 * strength).nonzero()[:, 0].tolist():
        y, x = (int(v) for v in torch.randint(0, side - hole, (2,), generator=generator))
        out[i, :, y : y + hole, x : x + hole] = torch.rand(3, 1, 1, generator=generator)
    return out.clamp_(0, 1)


def _redrawn(pixels: Tensor, thing: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """In another artist's manner, now and then: line art, few colours, light and shade."""
    n, _, side, _ = pixels.shape

    def chosen(p: float, which: Tensor) -> Tensor:
        return (which & (torch.rand(n, generator=generator) < p * strength)).view(n, 1, 1, 1)

    any_picture = torch.ones_like(thing)
    edges = torch.zeros(n, 1, side, side)
    grey = pixels.mean(1, keepdim=True)
    across, down = grey[..., :, 1:] - grey[..., :, :-1], grey[..., 1:, :] - grey[..., :-1, :]
    edges[..., :, 1:] += across.abs()
    edges[..., 1:, :] += down.abs()
    ink = 1 - (4 * edges).clamp(max=1)
    colour = torch.rand(n, 1, 1, 1, generator=generator)
    out = torch.where(chosen(0.18, thing), ink * (1 - colour + colour * pixels), pixels)
    levels = torch.randint(2, 6, (n, 1, 1, 1), generator=generator)
    out = torch.where(chosen(0.2, any_picture), (out * levels).round() / levels, out)
    light = 0.55 + 0.9 * torch.rand(n, 1, 3, 3, generator=generator)
    shade = F.interpolate(light, size=side, mode="bicubic", align_corners=True)
    out = torch.where(chosen(0.5, thing), out * shade, out)
    soft = F.avg_pool2d(F.pad(out, (2, 2, 2, 2), mode="replicate"), 5, 1)
    # round bodies: bright where the drawing is flat, dark towards its lines
    return torch.where(chosen(0.25, thing), (out + 0.8 * (out - soft)).clamp(0, 1), out)


def _recolour(pixels: Tensor, thing: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Per picture: gain, contrast, saturation, a small turn of the hue; for things at times a large one."""
    n = len(pixels)

    def draw(spread: float, *shape: int) -> Tensor:
        return 1 + spread * strength * (2 * torch.rand(*shape, generator=generator) - 1)

    grey = pixels.mean(1, keepdim=True)
    saturation = draw(0.5, n, 1, 1, 1)
    saturation = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.12 * strength, 0.0, saturation)
    out = grey + (pixels - grey) * saturation
    most = torch.where(
        thing & (torch.rand(n, generator=generator) < 0.15 * strength), math.pi, 0.35 * strength
    )
    turn = most * (2 * torch.rand(n, generator=generator) - 1)
    third, root = 1 / 3, math.sqrt(1 / 3)
    cos, sin = torch.cos(turn), torch.sin(turn)
    a, b, c = cos + third * (1 - cos), third * (1 - cos) - root * sin, third * (1 - cos) + root * sin
    rows = torch.stack([torch.stack([a, b, c], 1), torch.stack([c, a, b], 1), torch.stack([b, c, a], 1)], 1)
    out = torch.einsum("nij,njhw->nihw", rows, out)
    middle = out.mean((1, 2, 3), keepdim=True)
    return (middle + (out - middle) * draw(0.35, n, 1, 1, 1)) * draw(0.2, n, 3, 1, 1) * draw(0.15, n, 1, 1, 1)
