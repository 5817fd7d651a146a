"""Squares of pixels: those of torchvision's transforms, to the pixel, with the same draws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

from methods.batches import ImageBatches, read_crops, read_images
from methods.pixels import prepared, random_crop, random_part, resized_crop, resized_side, shrunk
from methods.reading import Reading

SHAPES = [(40, 57), (57, 40), (33, 33), (256, 300), (19, 200), (200, 19), (18, 18), (7, 9)]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise with a gradient, so that each pixel differs and antialiasing shows."""
    noise = np.random.default_rng(seed).integers(0, 120, (height, width, 3))
    return (noise + np.linspace(0, 120, width)[None, :, None]).astype(np.uint8)


def torchvisions(steps: list, image: np.ndarray, seed: int = 0) -> np.ndarray:
    """What torchvision's transforms make of the image, with torch's global generator at the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return np.asarray(transforms.Compose(steps)(Image.fromarray(image)))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [16, 32, 224])
def test_the_middle_is_torchvisions(shape, size):
    image, side = picture(*shape), resized_side(size)
    made = prepared(image, size, "crop")
    for family in (transforms, v2):
        np.testing.assert_array_equal(made, torchvisions([family.Resize(side), family.CenterCrop(size)], image))


def test_224_pixels_are_cut_from_256():
    assert [resized_side(size) for size in (224, 96, 32)] == [256, 110, 37]


@pytest.mark.parametrize("shape", SHAPES)
def test_random_parts_are_torchvisions_with_the_same_seed(shape):
    image = picture(*shape)
    for seed in range(12):
        for family in (transforms, v2):
            steps = [family.RandomResizedCrop(24), family.RandomHorizontalFlip()]
            np.testing.assert_array_equal(resized_crop(image, 24, seeded(seed)), torchvisions(steps, image, seed))
        steps = [transforms.Resize(27), transforms.RandomCrop(24), transforms.RandomHorizontalFlip()]
        np.testing.assert_array_equal(random_crop(image, 24, "crop", seeded(seed)), torchvisions(steps, image, seed))


@settings(max_examples=60)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**63 - 1))
def test_a_random_part_lies_in_the_image(height, width, seed):
    top, left, down, across = random_part(height, width, seeded(seed))
    assert min(top, left) >= 0 and 0 < down <= height - top and 0 < across <= width - left


@pytest.mark.parametrize("shape", [(300, 2), (2, 300), (1, 1)])
def test_a_part_that_no_draw_fits_is_the_middle_as_torchvision_takes_it(shape):
    image = picture(*shape)
    wanted = torchvisions([transforms.RandomResizedCrop(8), transforms.RandomHorizontalFlip()], image, 3)
    np.testing.assert_array_equal(resized_crop(image, 8, seeded(3)), wanted)


def test_a_random_crop_of_the_squashed_image_is_one_of_its_places():
    image = picture(30, 50)
    whole = read_images(image[None], np.array([0]), 18)[0].permute(1, 2, 0).numpy()
    crops = [whole[top : top + 16, left : left + 16] for top in range(3) for left in range(3)]
    for seed in range(10):
        made = random_crop(image, 16, "squash", seeded(seed))
        assert any(np.array_equal(made, one) or np.array_equal(made, one[:, ::-1]) for one in crops)


def test_smaller_images_are_not_shrunk_and_larger_ones_as_torchvision_does():
    image = picture(50, 70)
    assert shrunk(image, 50) is image and shrunk(image, 0) is image
    np.testing.assert_array_equal(shrunk(image, 20), torchvisions([transforms.Resize(20)], image))


def crops(images, plan, seed, **reading):
    return list(ImageBatches(images, 16, plan, seed, Reading(**reading)))


@pytest.mark.parametrize("augmentation", ["resized_crop", "random_crop", "shift"])
def test_the_seed_and_the_batch_decide_the_crops(augmentation):
    images, plan = np.stack([picture(20, 30, seed) for seed in range(6)]), [np.array([0, 1, 2]), np.array([0, 1, 2])]
    first, second = crops(images, plan, (3, 1), augmentation=augmentation)
    again = crops(images, plan, (3, 1), augmentation=augmentation)
    other = crops(images, plan, (3, 2), augmentation=augmentation)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])
    assert not torch.equal(first, second) and not torch.equal(first, other[0])
    assert first.shape == (3, 3, 16, 16) and first.dtype == torch.uint8


def test_each_image_of_a_batch_has_its_own_draws():
    images = np.stack([picture(20, 30)] * 2)
    made = read_crops(images, np.array([0, 1]), 16, Reading(augmentation="resized_crop"), np.random.default_rng(0))
    assert not torch.equal(made[0], made[1])


@pytest.mark.parametrize("preprocessing", ["crop", "squash"])
def test_without_augmentation_train_images_are_as_test_images(preprocessing):
    images, plan = picture(20, 30)[None], [np.array([0])]
    (plain,) = crops(images, plan, None, preprocessing=preprocessing)
    (train,) = crops(images, plan, (0,), preprocessing=preprocessing, augmentation="none")
    assert torch.equal(plain, train)
    np.testing.assert_array_equal(plain[0].permute(1, 2, 0), prepared(images[0], 16, preprocessing))


def test_a_cached_side_changes_larger_images_alone():
    rows, rng = np.array([0]), np.random.default_rng
    for image, same in ((picture(20, 30), True), (picture(40, 60), False)):
        made = [read_crops(image[None], rows, 16, Reading("crop", "resized_crop", side), rng(0)) for side in (0, 20)]
        assert torch.equal(*made) == same
