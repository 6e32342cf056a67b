"""What the training of the image model relies on; needs its packages (`make test`)."""

import random

import torch

from train_image.captions import example
from train_image.joint_attention import MANY, OneForMany
from train_image.parts import LATENTS, TEXT_WIDTH, denoiser
from train_image.shapes import SIDE_PX, draw


def test_one_token_for_many_equal_ones_changes_nothing() -> None:
    torch.manual_seed(0)
    model = denoiser().eval()
    noisy = torch.randn(2, LATENTS, 16, 16)
    words, pooled = torch.randn(2, 16, 2 * TEXT_WIDTH), torch.randn(2, 2 * TEXT_WIDTH)
    levels = torch.tensor([500.0, 100.0])
    many = torch.cat([words, torch.zeros(2, MANY, 2 * TEXT_WIDTH)], dim=1)
    one = torch.cat([words, torch.zeros(2, 1, 2 * TEXT_WIDTH)], dim=1)
    with torch.no_grad():
        expected = model(noisy, many, pooled, levels, return_dict=False)[0]
        model.set_attn_processor(OneForMany())
        found = model(noisy, one, pooled, levels, return_dict=False)[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_captions_and_scenes_repeat_themselves_exactly() -> None:
    assert [example(random.Random(3)) for _ in range(2)] == [
        example(random.Random(3)) for _ in range(2)
    ]
    assert example(random.Random(3)) != example(random.Random(4))


def test_a_picture_has_its_colour_in_the_middle_of_its_shape_and_a_light_ground() -> None:
    rng = random.Random(1)
    scenes = [example(rng)[1] for _ in range(64)]
    pictures = draw(scenes)
    assert pictures.shape == (64, 3, SIDE_PX, SIDE_PX)
    assert pictures[:, :, 0, 0].min() > 0.9
    for scene, picture in zip(scenes, pictures, strict=True):
        middle = picture[:, int(scene.y_px), int(scene.x_px)]
        assert (middle - picture[:, 0, 0]).abs().max() > 0.3
