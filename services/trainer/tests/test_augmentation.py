"""Changes of pictures: their range, what each does alone, and that a seed makes them again."""

import pytest
import torch
from sightwire_trainer.configuration import AugmentationConfiguration
from sightwire_trainer.data.augmentation import augment

NOTHING = {
    "rotation": 0,
    "translation": 0,
    "scale": (1, 1),
    "shear": 0,
    "flip": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "hue": 0,
    "grey": 0,
}


def only(**changes: object) -> AugmentationConfiguration:
    return AugmentationConfiguration(**{**NOTHING, **changes})


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 70, side: int = 32) -> torch.Tensor:
    """A red square in the upper left of a white picture, a blue one in the lower right."""
    images = torch.full((count, 3, side, side), 255, dtype=torch.uint8)
    images[:, 1:, side // 4 : side // 2, side // 4 : side // 2] = 0
    images[:, :2, side // 2 : side * 3 // 4, side // 2 : side * 3 // 4] = 0
    return images


def test_nothing_is_changed_without_changes() -> None:
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(augment(images, only(), generator()), images.float() / 255)


def test_a_seed_makes_the_same_changes_again() -> None:
    everything = AugmentationConfiguration(erase=0.5, background=0.5, stretch=0.2, any_hue=0.2, outline=0.2, invert=0.2)
    first, again, other = (augment(pictures(), everything, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32
    assert first.min() >= 0
    assert first.max() <= 1
    assert len({picture.numpy().tobytes() for picture in first}) == len(first)


def test_batches_of_one_and_of_none() -> None:
    settings = only(rotation=30)
    assert augment(pictures(1), settings, generator()).shape == (1, 3, 32, 32)
    assert augment(pictures(0), settings, generator()).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(("source", "wanted"), [(48, 32), (32, 48)])
def test_another_size(source: int, wanted: int) -> None:
    changed = augment(pictures(3, source), only(), generator(), size=wanted)
    assert changed.shape == (3, 3, wanted, wanted)
    assert torch.allclose(changed[0, :, wanted * 3 // 8, wanted * 3 // 8], torch.tensor([1.0, 0, 0]), atol=1e-5)
    assert torch.allclose(changed[0, :, 2, 2], torch.ones(3))


def test_flips() -> None:
    images = pictures()
    changed = augment(images, only(flip=1), generator())
    assert torch.allclose(changed, images.flip(3).float() / 255, atol=1e-5)


@pytest.mark.parametrize("change", [{"rotation": 90}, {"translation": 0.5}, {"scale": (0.3, 0.9)}, {"shear": 40}])
def test_what_comes_into_view_is_white(change: dict[str, object]) -> None:
    black = torch.zeros(70, 3, 32, 32, dtype=torch.uint8)
    changed = augment(black, only(**change), generator())
    assert (changed.amax((1, 2, 3)) == 1).float().mean() > 0.8
    assert (changed.amin((1, 2, 3)) == 0).all()


def test_scale_is_that_of_the_drawing() -> None:
    area = (augment(pictures(), only(scale=(2, 2)), generator()).amin(1) < 0.5).float().mean()
    assert area == pytest.approx(4 * 2 / 16, abs=0.05)


def test_grey_has_no_colour_and_keeps_white() -> None:
    changed = augment(pictures(), only(grey=1), generator())
    assert (changed.amax(1) - changed.amin(1)).max() < 1e-5
    assert torch.allclose(changed[:, :, 0, 0], torch.ones(70, 3), atol=1e-5)


def test_hues_turn_without_white_changing() -> None:
    changed = augment(pictures(), only(hue=0.5), generator())
    assert torch.allclose(changed[:, :, 0, 0], torch.ones(70, 3), atol=1e-3)
    assert changed[:, :, 12, 12].std(0).min() > 0.1


def test_any_hue_turns_colours_all_the_way_round() -> None:
    changed = augment(pictures(), only(any_hue=1), generator())
    assert torch.allclose(changed[:, :, 0, 0], torch.ones(70, 3), atol=1e-3)
    assert changed[:, :, 12, 12].amax(0).min() > 0.6


def test_outlines_are_dark_lines_on_white() -> None:
    changed = augment(pictures(), only(outline=1), generator())
    assert torch.allclose(changed[:, :, 12, 12], torch.ones(70, 3), atol=1e-3), "within a square"
    assert torch.allclose(changed[:, :, 0, 0], torch.ones(70, 3))
    assert changed[:, :, 12, 8].max() < 0.2, "at its border"
    some = augment(pictures(), only(outline=0.5), generator())
    assert 0.2 < (some[:, 1, 12, 12] == 0).float().mean() < 0.8


def test_inverted_pictures_are_negatives() -> None:
    assert torch.equal(augment(pictures(), only(invert=1), generator()), 1 - pictures().float() / 255)


def test_stretched_pictures_keep_their_area() -> None:
    dark = augment(pictures(), only(stretch=0.5), generator()).amin(1) < 0.5
    widths, heights = dark.any(1).float().sum(1), dark.any(2).float().sum(1)
    assert dark.float().mean() == pytest.approx(2 / 16, abs=0.02)
    assert (widths / heights).max() == pytest.approx(1.5, abs=0.2)
    assert (widths / heights).min() == pytest.approx(1 / 1.5, abs=0.15)


def test_brightness_is_within_its_bounds() -> None:
    changed = augment(pictures(), only(brightness=0.3), generator())[:, 0, 0, 0]
    assert changed.min() >= 0.7
    assert changed.min() < 0.8


def test_backgrounds_change_and_drawings_do_not() -> None:
    changed = augment(pictures(), only(background=1), generator())
    assert torch.allclose(changed[:, :, 12, 12], torch.tensor([1.0, 0, 0]).expand(70, 3))
    assert changed[:, :, 0, 0].std(0).min() > 0.2
    assert torch.equal(changed[:, :, 0, 0], changed[:, :, 31, 31])


def test_white_within_a_drawing_is_no_background() -> None:
    ring = torch.full((4, 3, 32, 32), 255, dtype=torch.uint8)
    ring[:, :, 8:24, 8:24] = 0
    ring[:, :, 12:20, 12:20] = 255
    changed = augment(ring, only(background=1), generator())
    assert (changed[:, :, 16, 16] == 1).all()
    assert not (changed[:, :, 0, 16] == 1).any()


def test_erased_rectangles() -> None:
    white = torch.full((70, 3, 32, 32), 255, dtype=torch.uint8)
    changed = augment(white, only(erase=0.5), generator())
    shares = (changed != 1).any(1).float().mean((1, 2))
    assert (shares == 0).float().mean() == pytest.approx(0.5, abs=0.2)
    assert shares[shares > 0].min() > 0.03
    assert shares.max() < 0.3
