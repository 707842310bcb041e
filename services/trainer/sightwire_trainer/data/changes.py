"""How each picture of a batch is to be changed, drawn at random before any pixel is touched."""

import math
from dataclasses import dataclass, fields

import torch

from sightwire_trainer.configuration import AugmentationConfiguration

#: RGB to luminance and two axes of colour, about which hues turn.
_RGB_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
#: Sides of what is erased, as shares of the picture's.
_ERASED_SIDES = (0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Changes:
    """One change of each kind for each picture; float32 where nothing else is said, the first axis is the batch."""

    #: [batch, 2, 3]: from places in the result to places in the source, x and y in -1..1.
    transforms: torch.Tensor
    #: bool [batch]: which are reduced to their lines.
    outlined: torch.Tensor
    #: [batch, 3]: RGB in 0..1 that the white background becomes; white is left as it is.
    backgrounds: torch.Tensor
    #: [batch, 3, 3]: from RGB to RGB.
    colours: torch.Tensor
    #: [batch]: how much of the picture's mean luminance is added to all channels.
    mean_shares: torch.Tensor
    #: bool [batch]: which become their negatives.
    inverted: torch.Tensor
    #: [batch, 4]: left, top, right and bottom of what is erased, as shares of the sides; nothing if all are 0.
    erased: torch.Tensor
    #: [batch, 3]: RGB in 0..1 in its place.
    fillings: torch.Tensor

    def part(self, begin: int, end: int, device: torch.device) -> "Changes":
        """Those of the pictures from `begin` to before `end`."""
        return Changes(*(getattr(self, field.name)[begin:end].to(device) for field in fields(self)))


def draw_changes(count: int, configuration: AugmentationConfiguration, generator: torch.Generator) -> Changes:
    """Changes for `count` pictures, on the CPU; as many numbers are drawn whatever the configuration says."""
    draws = _Draws(count, generator)
    transforms = _transforms(configuration, draws)
    backgrounds = torch.where(draws.chance(configuration.background)[:, None], draws.colours(), 1.0)
    brightness = 1 + draws.around_zero(configuration.brightness)
    contrast = 1 + draws.around_zero(configuration.contrast)
    saturation = 1 + draws.around_zero(configuration.saturation)
    saturation = torch.where(draws.chance(configuration.grey), 0.0, saturation)
    turn = draws.around_zero(2 * math.pi * configuration.hue)
    turn = torch.where(draws.chance(configuration.any_hue), draws.around_zero(math.pi), turn)
    colours = (brightness * contrast)[:, None, None] * _colour_matrices(saturation, turn)
    erased = torch.where(draws.chance(configuration.erase)[:, None], _rectangles(draws), 0.0)
    return Changes(
        transforms=transforms,
        outlined=draws.chance(configuration.outline),
        backgrounds=backgrounds,
        colours=colours,
        mean_shares=brightness * (1 - contrast),
        inverted=draws.chance(configuration.invert),
        erased=erased,
        fillings=draws.colours(),
    )


def _transforms(configuration: AugmentationConfiguration, draws: "_Draws") -> torch.Tensor:
    angle = draws.around_zero(math.radians(configuration.rotation))
    shear = torch.tan(draws.around_zero(math.radians(configuration.shear)))
    smallest, largest = (math.log(bound) for bound in configuration.scale)
    zoom = torch.exp(-draws.between(smallest, largest))
    flip = torch.where(draws.chance(configuration.flip), -1.0, 1.0)
    # Both halves of a side together are 2 long.
    right, down = draws.around_zero(2 * configuration.translation), draws.around_zero(2 * configuration.translation)
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    # Wider by as much as it becomes lower.
    stretch = torch.exp(draws.around_zero(math.log1p(configuration.stretch) / 2))
    across = torch.stack((cosine * flip * stretch, cosine * shear - sine, right), 1)
    along = torch.stack((sine * flip, (sine * shear + cosine) / stretch, down), 1)
    return torch.stack((across, along), 1)


def _colour_matrices(saturation: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """[batch, 3, 3]: colours made stronger or weaker by `saturation` [batch] and turned by `turn` [batch] radians."""
    count = len(turn)
    change = torch.zeros(count, 3, 3)
    change[:, 0, 0] = 1
    change[:, 1, 1] = change[:, 2, 2] = saturation * torch.cos(turn)
    change[:, 1, 2] = -saturation * torch.sin(turn)
    change[:, 2, 1] = saturation * torch.sin(turn)
    to_yiq = torch.tensor(_RGB_TO_YIQ)
    matrices = torch.linalg.inv(to_yiq) @ change @ to_yiq
    # What is not changed stays so to the last bit.
    changed = (saturation != 1) | (turn != 0)
    return torch.where(changed[:, None, None], matrices, torch.eye(3))


def _rectangles(draws: "_Draws") -> torch.Tensor:
    width, height = draws.between(*_ERASED_SIDES), draws.between(*_ERASED_SIDES)
    left, top = draws.between(0, 1) * (1 - width), draws.between(0, 1) * (1 - height)
    return torch.stack((left, top, left + width, top + height), 1)


class _Draws:
    """Random numbers for each picture of a batch."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._count = count
        self._generator = generator

    def between(self, smallest: float, largest: float) -> torch.Tensor:
        return smallest + (largest - smallest) * torch.rand(self._count, generator=self._generator)

    def around_zero(self, bound: float) -> torch.Tensor:
        return self.between(-bound, bound)

    def chance(self, share: float) -> torch.Tensor:
        return torch.rand(self._count, generator=self._generator) < share

    def colours(self) -> torch.Tensor:
        return torch.rand(self._count, 3, generator=self._generator)
