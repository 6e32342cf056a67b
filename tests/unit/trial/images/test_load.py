"""What an image load sends."""

from paceline.records.image import ImageLoad, Sampler
from paceline.records.load_plan import LoadShape
from paceline.trial.arrivals import plan_load
from paceline.trial.images.load import PROMPTS, image_shape

SHAPE = LoadShape(concurrency=2, requests=6)


def test_the_shape_of_the_pictures_is_the_same_for_all() -> None:
    load = ImageLoad(
        width_px=64, height_px=32, steps=4, guidance=0.0, scheduler=Sampler.FLOW_MATCH_EULER
    )
    body = dict(image_shape(SHAPE, load, ("a",)).settings.extra_body)
    assert body == {
        "size": "64x32",
        "response_format": "b64_json",
        "num_inference_steps": 4,
        "guidance_scale": 0.0,
        "scheduler": "flow-match-euler",
    }


def test_what_the_load_leaves_open_is_not_sent() -> None:
    body = dict(image_shape(SHAPE, ImageLoad(width_px=64, height_px=64), ()).settings.extra_body)
    assert set(body) == {"size", "response_format"}


def test_every_prompt_comes_before_any_comes_again() -> None:
    load = ImageLoad(width_px=64, height_px=64)
    plan = plan_load(image_shape(SHAPE, load, ("a", "b", "c")))
    sent = [plan.prompts[row.prompt or 0].messages[0].content for row in plan.rows]
    assert sorted(sent[:3]) == sorted(sent[3:]) == ["a", "b", "c"]


def test_without_prompts_everyday_ones_are_sent() -> None:
    plan = plan_load(image_shape(SHAPE, ImageLoad(width_px=64, height_px=64), ()))
    assert {prompt.messages[0].content for prompt in plan.prompts} == set(PROMPTS)
