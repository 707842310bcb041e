"""Changes the pictures of a batch: a few tensor operations in all, so that it costs little beside a trunk."""

import torch
from torch.nn import functional

from sightwire_trainer.configuration import AugmentationConfiguration
from sightwire_trainer.data.changes import Changes, draw_changes

#: Weights of red, green and blue in luminance (Rec. 601).
_LUMINANCE = (0.299, 0.587, 0.114)
#: From here on the darkest channel counts as white: compression leaves its traces on backgrounds.
_NEARLY_WHITE = 0.94
#: Added to luminances that are divided by each other: black within black is no line.
_DARKEST = 1e-3
#: Pictures that a CPU changes at once: few enough for its cache, enough for its threads to have work.
_AT_ONCE_ON_CPU = 64


def augment(
    images: torch.Tensor,
    configuration: AugmentationConfiguration,
    generator: torch.Generator,
    *,
    size: int | None = None,
) -> torch.Tensor:
    """uint8 [batch, 3, height, width] to float32 [batch, 3, size, size] in 0..1, each picture changed in its own way.

    `size` (none: that of the images) may be smaller, so that enlarged drawings keep their detail. What comes into view
    beyond a picture's border is white. `generator` is of the CPU, wherever the images are; the same state of it makes
    the same changes.
    """
    count, channels, height, width = images.shape
    changes = draw_changes(count, configuration, generator)
    size = size or max(height, width)
    changed = torch.empty(count, channels, size, size, device=images.device)
    at_once = _AT_ONCE_ON_CPU if images.device.type == "cpu" else count
    for begin in range(0, count, at_once):
        end = min(begin + at_once, count)
        changed[begin:end] = _changed(images[begin:end], changes.part(begin, end, images.device), size)
    return changed


def _changed(images: torch.Tensor, changes: Changes, size: int) -> torch.Tensor:
    pixels = _moved(images, changes.transforms, size)
    pixels = _reduced_to_lines(pixels, changes.outlined)
    pixels = _on_backgrounds(pixels, changes.backgrounds)
    pixels = _recoloured(pixels, changes.colours, changes.mean_shares)
    pixels = _inverted(pixels, changes.inverted)
    return _partly_erased(pixels, changes.erased, changes.fillings)


def _moved(images: torch.Tensor, transforms: torch.Tensor, size: int) -> torch.Tensor:
    """Rotation, translation, scale, shear, flip and the change of size in one sampling; uint8 to float32 in 0..1."""
    identity = torch.eye(2, 3, device=images.device).expand_as(transforms)
    if images.shape[2:] == (size, size) and torch.equal(transforms, identity):
        return images.float().div_(255)
    # Samples beyond the border are zeros: of the negative, which makes them white.
    negative = images.float().mul_(-1 / 255).add_(1)
    sampled = functional.grid_sample(
        negative, _grid(transforms, size), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return sampled.neg_().add_(1)


def _grid(transforms: torch.Tensor, size: int) -> torch.Tensor:
    """What `affine_grid` makes, [batch, size, size, 2], as outer sums: ten times faster than as a product."""
    places = (torch.arange(size, device=transforms.device) * 2 + 1) / size - 1
    grid = torch.empty(len(transforms), size, size, 2, device=transforms.device)
    for axis in (0, 1):
        across = transforms[:, axis, 0:1] * places
        down = transforms[:, axis, 1:2] * places + transforms[:, axis, 2:]
        torch.add(across[:, None, :], down[:, :, None], out=grid[..., axis])
    return grid


def _reduced_to_lines(pixels: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The chosen pictures as dark lines on white: what is darker than its brightest neighbour stays dark."""
    if not chosen.any():
        return pixels
    luminance = pixels[chosen].mean(1, keepdim=True)
    brightest = functional.max_pool2d(luminance, kernel_size=3, stride=1, padding=1)
    lines = ((luminance + _DARKEST) / (brightest + _DARKEST)).square()
    result = pixels.clone()
    result[chosen] = lines.expand(-1, 3, -1, -1)
    return result


def _on_backgrounds(pixels: torch.Tensor, backgrounds: torch.Tensor) -> torch.Tensor:
    """White that reaches the border in a straight line becomes `backgrounds`."""
    if bool((backgrounds == 1).all()):
        return pixels
    whiteness = pixels.amin(1, keepdim=True).sub_(_NEARLY_WHITE).div_(1 - _NEARLY_WHITE).clamp_(0, 1)
    background = torch.zeros_like(whiteness)
    for axis in (2, 3):
        onward = whiteness.cumprod(axis)
        backward = whiteness.flip(axis).cumprod(axis).flip(axis)
        background = background.maximum(onward).maximum(backward)
    return pixels - background * (1 - backgrounds[:, :, None, None])


def _recoloured(pixels: torch.Tensor, colours: torch.Tensor, mean_shares: torch.Tensor) -> torch.Tensor:
    if torch.equal(colours, torch.eye(3, device=colours.device).expand_as(colours)) and not mean_shares.any():
        return pixels
    count, channels, height, width = pixels.shape
    means = pixels.mean((2, 3)) @ torch.tensor(_LUMINANCE, device=pixels.device)
    offsets = (mean_shares * means)[:, None, None]
    changed = torch.baddbmm(offsets, colours, pixels.reshape(count, channels, height * width))
    return changed.clamp_(0, 1).view(count, channels, height, width)


def _inverted(pixels: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    return torch.where(chosen[:, None, None, None], 1 - pixels, pixels) if chosen.any() else pixels


def _partly_erased(pixels: torch.Tensor, erased: torch.Tensor, fillings: torch.Tensor) -> torch.Tensor:
    if not erased.any():
        return pixels
    left, top, right, bottom = erased[:, :, None].unbind(1)
    places = (torch.arange(pixels.shape[-1], device=pixels.device) + 0.5) / pixels.shape[-1]
    across, down = (places >= left) & (places < right), (places >= top) & (places < bottom)
    inside = down[:, None, :, None] & across[:, None, None, :]
    return torch.where(inside, fillings[:, :, None, None], pixels)
