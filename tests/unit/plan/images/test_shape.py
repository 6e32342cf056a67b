import pytest

from paceline.errors import Code, SpecError
from paceline.plan.images.known import known_image_shape
from paceline.plan.images.read import Configs, read_image_shape
from paceline.plan.images.shape import ImageShape
from paceline.records.image_families import IMAGE_FAMILIES


def shape(family: str) -> ImageShape:
    found = known_image_shape(family)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("family", "published"),
    [
        # Parameters of the denoiser: safetensors headers of the checkpoints, as their cards say.
        ("flux-schnell", 11.90e9),
        ("sd3.5-large", 8.06e9),
        ("sdxl", 2.57e9),
    ],
)
def test_denoisers_are_counted_within_two_percent(family: str, published: float) -> None:
    assert shape(family).denoiser.parameters == pytest.approx(published, rel=0.02)


def test_encoders_and_the_decoder_are_counted_within_two_percent() -> None:
    found = {one.name: one.parameters for one in shape("flux-schnell").encoders}
    assert found["text_encoder"] == pytest.approx(123e6, rel=0.02)
    assert found["text_encoder_2"] == pytest.approx(4.76e9, rel=0.02)
    assert shape("sdxl").decoder.parameters == pytest.approx(83.7e6, rel=0.02)


def test_a_step_of_the_unet_takes_what_was_counted_elsewhere() -> None:
    # SDXL at 1024 x 1024: 2.98 T multiply-adds (diffusers, docs of the model's FLOPs).
    step = shape("sdxl").denoiser.operations(1024, 1024)
    assert step.linear + step.attention == pytest.approx(2 * 2.98e12, rel=0.15)


def test_four_times_the_pixels_cost_more_than_four_times_the_attention() -> None:
    small, large = (shape("flux-dev").denoiser.operations(side, side) for side in (512, 1024))
    assert 2.5 < large.linear / small.linear < 4  # the text does not grow
    assert large.attention / small.attention > 8


def test_the_flux_of_few_steps_reads_half_the_text() -> None:
    schnell, dev = shape("flux-schnell"), shape("flux-dev")
    assert (schnell.denoiser.text_tokens, dev.denoiser.text_tokens) == (256, 512)
    assert [one.tokens for one in schnell.encoders] == [77, 256]
    assert schnell.denoiser.text_tokens == IMAGE_FAMILIES["flux-schnell"].text_tokens
    assert schnell.denoiser.parameters == dev.denoiser.parameters


def test_every_family_with_a_repository_is_known() -> None:
    for family in IMAGE_FAMILIES.values():
        assert (known_image_shape(family.name) is None) == (family.repository is None)


def test_a_small_pipeline_is_read_from_its_own_configs() -> None:
    configs: Configs = {
        "transformer": {
            "num_layers": 2,
            "num_attention_heads": 2,
            "attention_head_dim": 8,
            "patch_size": 2,
        },
        "text_encoder": {
            "hidden_size": 8,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "vocab_size": 10,
            "max_position_embeddings": 16,
        },
        "vae": {"block_out_channels": [4, 8, 8], "layers_per_block": 1},
    }
    found = read_image_shape(configs)
    assert found.denoiser.tiers[0].scale_px == 8
    assert found.denoiser.parameters == 2 * 36 * 16**2
    assert found.encoders[0].parameters == 4 * 64 + 2 * 8 * 16 + 80
    assert found.encoders[0].tokens == 16
    assert found.decoder.widest == 8


@pytest.mark.parametrize(
    ("configs", "what"),
    [({}, "no denoiser"), ({"transformer": {"num_layers": 2}}, "num_attention_heads")],
)
def test_what_cannot_be_counted_is_said(configs: dict[str, dict[str, int]], what: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_image_shape(configs)
    assert caught.value.code is Code.BAD_MODEL
    assert what in caught.value.what
