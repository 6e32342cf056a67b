from dataclasses import replace

import pytest

from paceline.errors import Code, SpecError
from paceline.records.request import Beside, Budget, Priority, Request
from paceline.spec.grammar import parse_constraint
from paceline.spec.read import Asked, RequestText
from paceline.spec.redirect import Names, Redirected, redirect
from paceline.testing.builders import a_request
from paceline.units import Seconds

NAMES = Names(
    by_kind={
        "engine": ("llamacpp", "openvino", "vllm"),
        "format": ("bf16", "gptq-3bit", "gptq-4bit", "int8", "q4_k_m"),
        "hardware": ("cpu", "L40S", "H100-SXM-80GB"),
    }
)
LIMIT = parse_constraint("ttft p95 <= 200ms")


def turned(
    words: str | None, *, before: Request | None = None, flags: Asked | None = None
) -> Redirected:
    return redirect(before or a_request(LIMIT), flags=flags or Asked(), words=words, names=NAMES)


def test_leaving_an_engine_out_asks_for_none_that_has_to_be_named() -> None:
    names = replace(NAMES, on_demand=("llamacpp",))
    found = redirect(a_request(LIMIT), flags=Asked(), words="skip vllm", names=names)
    assert found.request.engines == ("openvino",)
    named = redirect(a_request(LIMIT), flags=Asked(), words="only llama.cpp", names=names)
    assert named.request.engines == ("llamacpp",)
    nothing = redirect(a_request(LIMIT), flags=Asked(), words="skip llama.cpp", names=names)
    assert nothing.request.engines == ("openvino", "vllm")


def test_every_kind_of_change_is_understood_together_and_said_back() -> None:
    found = turned("cheaper, only llama.cpp, p95 ttft under 300 ms")
    assert found.request.priority is Priority.COST
    assert found.request.engines == ("llamacpp",)
    assert [c.text for c in found.request.constraints] == ["ttft p95 < 300ms"]
    assert found.changes == (
        "priority cost (was throughput)",
        "limit ttft p95 < 300ms (was ttft p95 <= 200ms)",
        "engines llamacpp (were all)",
    )


def test_a_limit_without_its_metric_means_the_only_one_that_it_fits() -> None:
    found = turned("p95 under 300 ms instead")
    assert [c.text for c in found.request.constraints] == ["ttft p95 < 300ms"]
    two = a_request(LIMIT, parse_constraint("e2e p95 <= 5s"))
    with pytest.raises(SpecError, match="which latency"):
        turned("p95 under 300 ms instead", before=two)


@pytest.mark.parametrize(
    ("words", "field", "expected"),
    [
        ("skip GPTQ", "formats", ("bf16", "int8", "q4_k_m")),
        ("only L40S", "hardware", ("L40S",)),
        ("only openvino and llama.cpp", "engines", ("openvino", "llamacpp")),
        ("without vllm or openvino", "engines", ("llamacpp",)),
        ("No int8.", "formats", ("bf16", "gptq-3bit", "gptq-4bit", "q4_k_m")),
        ("just use q4_k_m", "formats", ("q4_k_m",)),
        ("use only h100-sxm-80gb", "hardware", ("H100-SXM-80GB",)),
    ],
)
def test_names_are_chosen_or_left_out(words: str, field: str, expected: tuple[str, ...]) -> None:
    assert getattr(turned(words).request, field) == expected


def test_what_is_left_out_is_said_back_as_that() -> None:
    assert turned("skip GPTQ").changes == ("formats without gptq-3bit, gptq-4bit (were all)",)


def test_flags_say_the_same_as_words() -> None:
    flags = Asked(
        priority="cost", constraints=("ttft p95 < 300ms",), engines=("llamacpp",), budget="5m"
    )
    found = turned(None, flags=flags).request
    same = turned("cheaper, only llamacpp, p95 ttft under 300 ms, budget 5 minutes").request
    assert found == same
    assert found.budget == Budget(seconds=Seconds(300))


def test_what_is_not_said_stays() -> None:
    before = replace(a_request(LIMIT), engines=("openvino",), budget=Budget(seconds=Seconds(60)))
    found = turned("quality at least 0.9", before=before).request
    assert (found.engines, found.budget) == (before.engines, before.budget)
    assert [c.text for c in found.constraints] == ["ttft p95 <= 200ms", "quality >= 0.9"]


def test_a_limit_on_another_statistic_stands_beside_the_earlier_one() -> None:
    found = turned("ttft p99 under 400 ms").request
    assert [c.text for c in found.constraints] == ["ttft p95 <= 200ms", "ttft p99 < 400ms"]


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ("cheaper, only frobnicator", Code.UNKNOWN_NAME, "frobnicator"),
        ("cheaper and greener", Code.NOT_UNDERSTOOD, "greener"),
        ("skip cpu or L40S or H100-SXM-80GB", Code.CONTRADICTION, "hardware"),
        ("optimize for throughput", Code.BAD_OPTION, "nothing changes"),
        ("ttft p95 <= 200ms", Code.BAD_OPTION, "nothing changes"),
    ],
)
def test_what_cannot_be_done_is_an_error_that_names_it(words: str, code: Code, named: str) -> None:
    with pytest.raises(SpecError, match=named) as error:
        turned(words)
    assert error.value.code is code


@pytest.mark.parametrize(
    ("flags", "words", "named"),
    [
        (Asked(price_usd_per_hour=-1.0), None, "price is -1 usd/h"),
        (Asked(quality_items=-3), None, "-3 quality items"),
        (Asked(formats=("bf16",), pin="gptq4"), None, "pinned to 'gptq4'"),
        (Asked(constraints=("ttft p50 >= 300ms",)), None, "cannot both hold"),
        (Asked(priority="cost"), "optimize for latency", "disagree on the priority"),
    ],
)
def test_what_a_new_request_is_refused_for_a_changed_one_is_too(
    flags: Asked, words: str | None, named: str
) -> None:
    with pytest.raises(SpecError, match=named):
        turned(words, flags=flags)


def test_a_seed_a_draft_and_test_sets_are_changes_like_others() -> None:
    flags = Asked(seed=7, draft="acme/tiny", suites=("mine=own.jsonl",))
    found = turned("quality(mine) at least 0.9", flags=flags)
    assert (found.request.seed, found.request.draft) == (7, "acme/tiny")
    assert found.request.own_suite is not None
    for said in ("seed 7 (was 0)", "draft acme/tiny (was none)"):
        assert said in found.changes


def test_what_is_asked_and_how_long_is_said_back() -> None:
    found = turned("cheaper", flags=Asked(quality_share=0.5, beside=("under-load",)))
    assert "quality share 0.5 (was 0.25)" in found.changes
    assert "besides under-load (was nothing)" in found.changes
    limited = turned("quality under load at least 0.97x")
    assert limited.request.beside == (Beside.LOAD,)
    assert "limit quality(load) >= 0.97x (new)" in limited.changes
    with pytest.raises(SpecError, match="quality share of 3"):
        turned("cheaper", flags=Asked(quality_share=3.0))


def test_a_limit_on_a_test_set_that_nobody_named_is_refused() -> None:
    with pytest.raises(SpecError, match="mine"):
        turned("quality(mine) at least 0.9")


FILE = """\
version: 1
priority: cost
constraints: ["ttft p95 <= 300ms"]
workload: {concurrency: 4, output: 32}
engines: openvino
seed: 3
"""


def test_a_file_changes_what_it_says_and_flags_and_words_win_over_it() -> None:
    file = RequestText(name="more.yaml", text=FILE)
    found = redirect(
        a_request(LIMIT), flags=Asked(seed=5), words="only llama.cpp", names=NAMES, file=file
    ).request
    assert (found.priority, found.seed, found.engines) == (Priority.COST, 5, ("llamacpp",))
    assert [c.text for c in found.constraints] == ["ttft p95 <= 300ms"]
    assert (found.workload.concurrency, found.workload.output_tokens) == (4, 32)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("version: 1\nmodel: another/model\n", "another model than the earlier run"),
        ("version: 1\npriority: cost\nbudgte: 3m\n", r"more.yaml.*3"),
    ],
)
def test_a_file_that_cannot_be_taken_says_why(text: str, named: str) -> None:
    file = RequestText(name="more.yaml", text=text)
    with pytest.raises(SpecError, match=named):
        redirect(a_request(LIMIT), flags=Asked(), words=None, names=NAMES, file=file)
