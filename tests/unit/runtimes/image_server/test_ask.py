"""The matrix of bad requests, field by field, and what a good one asks for."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from paceline.records import image
from paceline.records.image_families import IMAGE_FAMILIES
from paceline.runtimes.image_server import family as limits
from paceline.runtimes.image_server.ask import Ask, Reader, Shape
from paceline.runtimes.image_server.family import Family, read_family
from paceline.runtimes.image_server.problems import Problem

SDXL = read_family(json.dumps(asdict(IMAGE_FAMILIES["sdxl"])))
SCHNELL = read_family(json.dumps(asdict(IMAGE_FAMILIES["flux-schnell"])))


def reader(family: Family = SDXL) -> Reader:
    return Reader(family, model_name="acme/pictures", new_seed=lambda: 99)


def read(family: Family = SDXL, **fields: Any) -> Ask:
    return reader(family).read(json.dumps({"prompt": "a red circle", **fields}).encode())


def refusal(family: Family = SDXL, **fields: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read(family, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("field", "value", "bound"),
    [
        ("prompt", None, "a Unicode text of 1 to 32000 characters"),
        ("prompt", "", "a Unicode text of 1 to 32000 characters"),
        ("prompt", 7, "a Unicode text of 1 to 32000 characters"),
        ("prompt", ["a", "b"], "a Unicode text of 1 to 32000 characters"),
        ("prompt", "x" * 100_000, "a Unicode text of 1 to 32000 characters"),
        ("prompt", "half a pair: \ud83d", "a Unicode text of 1 to 32000 characters"),
        ("model", 3, "'acme/pictures', the only model here"),
        ("n", 0, "a whole number from 1 to 4"),
        ("n", 5, "a whole number from 1 to 4"),
        ("n", True, "a whole number from 1 to 4"),
        ("n", "2", "a whole number from 1 to 4"),
        ("n", 1.5, "a whole number from 1 to 4"),
        ("size", "1024", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", "1024X1024", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", " 64x64", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", "64x64\n", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", "56x64", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", "64x2056", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", "100x64", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", "٦٤x٦٤", "each side from 64 to 2048 px and a multiple of 8"),
        ("size", 1024, "each side from 64 to 2048 px and a multiple of 8"),
        ("size", {"width": 64}, "each side from 64 to 2048 px and a multiple of 8"),
        ("response_format", "png", "one of b64_json, url"),
        ("response_format", 1, "one of b64_json, url"),
        ("mode", "fast", "one of realtime, quality"),
        ("num_inference_steps", 0, "a whole number from 1 to 50"),
        ("num_inference_steps", 51, "a whole number from 1 to 50"),
        ("num_inference_steps", "20", "a whole number from 1 to 50"),
        ("num_inference_steps", False, "a whole number from 1 to 50"),
        ("guidance_scale", -0.1, "a number from 0 to 20"),
        ("guidance_scale", 20.01, "a number from 0 to 20"),
        ("guidance_scale", "5", "a number from 0 to 20"),
        ("guidance_scale", True, "a number from 0 to 20"),
        ("scheduler", "flow-match-euler", "one of dpm++, euler-a, euler, heun, ddim"),
        ("scheduler", "plms", "one of dpm++, euler-a, euler, heun, ddim"),
        ("scheduler", 0, "one of dpm++, euler-a, euler, heun, ddim"),
        ("seed", -1, "a whole number from 0 to 2147483647"),
        ("seed", 2**31, "a whole number from 0 to 2147483647"),
        ("seed", 0.5, "a whole number from 0 to 2147483647"),
        ("seed", "1", "a whole number from 0 to 2147483647"),
        ("negative_prompt", "x" * 2001, "a Unicode text of 0 to 2000 characters"),
        ("negative_prompt", 1, "a Unicode text of 0 to 2000 characters"),
        ("metadata", "yes", "true or false"),
        ("metadata", 1, "true or false"),
        ("latents", 0, "true or false"),
        ("user", "x" * 513, "a Unicode text of 0 to 512 characters"),
        ("quality", "hd", "one of auto, standard"),
        ("background", "transparent", "one of auto, opaque"),
        ("moderation", "none", "one of auto, low"),
        ("output_format", "webp", "png"),
        ("output_compression", 50, "100"),
        ("stream", True, "false"),
        ("stream", 0, "false"),
        ("partial_images", 1, "0"),
    ],
)
def test_each_field_has_a_bound_and_the_answer_names_it(field: str, value: Any, bound: str) -> None:
    problem = refusal(**{field: value})
    assert problem.status == 422
    error = problem.body()["error"]
    assert (error["param"], error["code"]) == (field, "out_of_bounds")
    assert bound in error["bound"]
    assert error["type"] == "invalid_request_error"
    for part in (field, error["value"], error["bound"]):
        assert part in error["message"]
    json.dumps(problem.body()).encode()


def test_every_field_is_in_the_matrix_above() -> None:
    marks = getattr(test_each_field_has_a_bound_and_the_answer_names_it, "pytestmark", [])
    assert {case[0] for case in marks[0].args[1]} == set(reader().fields)


def test_a_distilled_model_has_a_ceiling_of_its_own() -> None:
    assert read(SCHNELL, num_inference_steps=4).shape.steps == 4
    error = refusal(SCHNELL, num_inference_steps=5).body()["error"]
    assert error["bound"] == "a whole number from 1 to 4 (flux-schnell is distilled to few steps)"


def test_only_families_that_can_take_a_negative_prompt() -> None:
    assert read(negative_prompt="blurry").negative_prompt == "blurry"
    assert read(SCHNELL, negative_prompt="").negative_prompt == ""
    assert "flux-schnell takes none" in str(refusal(SCHNELL, negative_prompt="blurry"))


def test_sides_are_multiples_of_the_familys_step() -> None:
    assert read(size="72x64").shape.width_px == 72
    assert "a multiple of 16" in str(refusal(SCHNELL, size="72x64"))


def test_a_server_may_take_smaller_pictures_only() -> None:
    small = replace(SDXL, most_side_px=128)
    assert read(small, size="128x64").shape.width_px == 128
    assert "from 64 to 128 px" in str(refusal(small, size="136x64"))


def test_a_misspelt_field_is_told_and_not_ignored() -> None:
    error = refusal(num_inference_step=4).body()["error"]
    assert error["param"] == "num_inference_step"
    assert "did you mean 'num_inference_steps'?" in error["message"]


def test_another_models_name_is_not_found() -> None:
    problem = refusal(model="acme/words")
    assert (problem.status, problem.code, problem.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"prompt": NaN}', b"[" * 100_000,
     b'{"prompt": "a", "seed": Infinity}', b'{"prompt": "a", "seed": 1' + b"0" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_no_json_object_is_told_so(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        reader().read(body)
    assert (caught.value.status, caught.value.code) == (400, "not_json")


def test_a_number_too_large_for_a_double_is_out_of_bounds() -> None:
    with pytest.raises(Problem) as caught:
        reader().read(b'{"prompt": "a", "guidance_scale": 1e400}')
    assert caught.value.status == 422


@pytest.mark.parametrize("prompt", ["🟥⭕️ 图", "tab\tbell\x07 nul\x00", "x" * 32_000, " "])
def test_any_other_text_is_a_prompt(prompt: str) -> None:
    assert read(prompt=prompt).prompt == prompt


def test_left_out_or_null_is_the_familys_own_choice() -> None:
    plain = read()
    nulls = {name: None for name in reader().fields if name != "prompt"}
    assert plain == reader().read(json.dumps({"prompt": "a red circle", **nulls}).encode())
    assert plain.shape == Shape(
        width_px=1024, height_px=1024, steps=20, guidance=5.0, scheduler="dpm++"
    )
    assert (plain.seed, plain.count, plain.as_url) == (99, 1, False)
    assert read(size="auto").shape == plain.shape


def test_what_is_asked_for_overrules_the_mode() -> None:
    assert read(mode="realtime").shape.steps == 10
    assert read(mode="realtime", num_inference_steps=17).shape.steps == 17
    assert read(guidance_scale=0).shape.guidance == 0.0
    assert read(num_inference_steps=4.0).shape.steps == 4


def test_the_pictures_of_one_request_have_seeds_in_a_row() -> None:
    ask = read(seed=2**31 - 1, n=3)
    assert [ask.seed_of(index) for index in range(3)] == [2**31 - 1, 0, 1]


def test_limits_are_those_that_the_rest_of_us_knows() -> None:
    """The server imports nothing of ours, so it has its own copy."""
    assert limits.MOST_STEPS == image.MOST_STEPS
    assert limits.MOST_GUIDANCE == image.MOST_GUIDANCE
    assert limits.MOST_IMAGES == image.MOST_IMAGES
    assert (limits.LEAST_SIDE_PX, limits.MOST_SIDE_PX) == image.SIDE_PX
    assert limits.MOST_NEGATIVE_CHARACTERS == image.MOST_NEGATIVE_CHARACTERS
    assert limits.MOST_SEED == image.MOST_SEED
    assert tuple(image.Mode) == limits.MODES
