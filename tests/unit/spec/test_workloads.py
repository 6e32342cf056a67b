"""Presets and their overrides."""

import pytest

from paceline.errors import Code, SpecError
from paceline.records.load_plan import Arrivals
from paceline.records.request import Workload
from paceline.records.serial import dump, load
from paceline.spec.workloads import PRESETS, parse_workload


def test_a_name_is_its_preset_and_no_name_is_chat() -> None:
    assert parse_workload("reference") == PRESETS["reference"]
    assert parse_workload("concurrency=2").name == "chat"


def test_overrides_replace_what_they_name_and_nothing_else() -> None:
    workload = parse_workload("rag, concurrency=16, input=512,output=64,prefix=0,duration=90s")
    assert (workload.concurrency, workload.input_tokens, workload.output_tokens) == (16, 512, 64)
    assert (workload.shared_prefix_tokens, workload.duration_s) == (0, 90.0)
    assert (workload.rate_rps, workload.arrivals) == (None, Arrivals.CLOSED)


def test_a_rate_opens_the_loop() -> None:
    assert parse_workload("chat,rate=2.5").arrivals == Arrivals.POISSON
    steady = parse_workload("chat,rate=2.5,arrivals=constant,requests=100")
    assert (steady.rate_rps, steady.arrivals, steady.max_requests) == (2.5, "constant", 100)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_can_be_stored(preset: Workload) -> None:
    assert load(Workload, dump(preset)) == preset


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", Code.UNKNOWN_NAME, "chat"),
        (" , ", Code.UNKNOWN_NAME, "chat"),
        ("chatt", Code.UNKNOWN_NAME, "'chat'"),
        ("chat,inputs=3", Code.UNKNOWN_NAME, "write 'input'"),
        ("chat,concurrency=0", Code.BAD_OPTION, "at least 1"),
        ("chat,concurrency=100000000", Code.BAD_OPTION, "at most 16,384 connections"),
        ("chat,input=1e3", Code.BAD_OPTION, "whole number"),
        ("chat,concurrency=²", Code.BAD_OPTION, "whole number"),
        ("chat,duration=30", Code.BAD_OPTION, "with its unit"),
        ("chat,prefix=600", Code.BAD_OPTION, "512 tokens"),
        ("chat,rate=0", Code.BAD_OPTION, "above 0"),
        ("chat,rate=inf", Code.BAD_OPTION, "above 0"),
        ("chat,rate=fast", Code.BAD_OPTION, "a number"),
        ("chat,rate=1,concurrency=2", Code.BAD_OPTION, "not both"),
        ("chat,arrivals=poisson", Code.BAD_OPTION, "rate="),
        ("chat,rate=1,arrivals=random", Code.UNKNOWN_NAME, "poisson, constant"),
        ("chat,rate=1,rate=2", Code.BAD_OPTION, "before as '1'"),
    ],
)
def test_wrong_workloads_are_refused_with_both_sides(text: str, code: Code, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_workload(text)
    assert refused.value.code is code
    assert words in str(refused.value)
