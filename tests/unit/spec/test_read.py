"""File, flags and words together."""

import pytest

from paceline.errors import Code, SpecError
from paceline.records.request import Budget, Priority, Request
from paceline.records.serial import dump, load
from paceline.spec.read import Asked, RequestText, pipeline_name, read_request
from paceline.units import Seconds, Usd

FILE = """\
version: 1
model: reference
priority: throughput
constraints:
  - ttft p95 <= 500ms
  - quality >= 0.97x
workload: {preset: chat, concurrency: 16, duration: 20s}
engines: [openvino, transformers]
formats: int8
budget: 10m|$20
price: 0.12
seed: 3
"""


def from_file(text: str, flags: Asked | None = None, words: str | None = None) -> Request:
    return read_request(flags or Asked(), words=words, file=RequestText(name="r.yaml", text=text))


def texts(request: Request) -> list[str]:
    return [constraint.text for constraint in request.constraints]


def test_a_file_alone_is_a_whole_request() -> None:
    request = from_file(FILE)
    assert (request.model, request.pipeline, request.seed) == ("reference", "reference", 3)
    assert request.priority is Priority.THROUGHPUT
    assert texts(request) == ["ttft p95 <= 500ms", "quality >= 0.97x"]
    assert (request.workload.name, request.workload.concurrency) == ("chat", 16)
    assert request.engines == ("openvino", "transformers")
    assert request.formats == ("int8",)
    assert request.budget == Budget(seconds=Seconds(600.0), usd=Usd(20.0))
    assert request.price_usd_per_hour == 0.12
    assert load(Request, dump(request)) == request


def test_flags_and_words_win_over_the_file_on_the_same_figure_only() -> None:
    request = from_file(
        FILE,
        Asked(constraints=("ttft p95 <= 200ms",), workload="reference", budget="5m", seed=0),
        "cheapest, p99 e2e under 5 s",
    )
    assert request.priority is Priority.COST
    assert texts(request) == ["ttft p95 <= 200ms", "e2e p99 < 5000ms", "quality >= 0.97x"]
    assert request.workload.name == "reference"
    assert request.budget == Budget(seconds=Seconds(300.0), usd=Usd(20.0))
    assert request.seed == 0


def test_the_other_side_of_a_figure_is_another_constraint() -> None:
    request = from_file(FILE, Asked(constraints=("ttft p95 >= 1ms",)))
    assert "ttft p95 <= 500ms" in texts(request)


def test_what_nobody_says_has_a_default() -> None:
    request = read_request(Asked(model="./models/My Chat_7B"))
    assert request.priority is Priority.BALANCED
    assert request.pipeline == "my-chat_7b"
    assert request.workload.name == "chat"
    assert request.price_usd_per_hour is None
    assert request.budget == Budget()
    assert read_request(Asked(model="reference")).workload.name == "reference"


def test_a_pin_leaves_one_format() -> None:
    assert read_request(Asked(model="m", pin="int8")).formats == ("int8",)
    assert from_file(FILE, Asked(pin="int4")).formats == ("int4",)


def test_equal_constraints_are_kept_once() -> None:
    request = read_request(
        Asked(model="m", constraints=("ttft p95 <= 1s",)), words="p95 ttft at most 1000 ms"
    )
    assert texts(request) == ["ttft p95 <= 1000ms"]


@pytest.mark.parametrize(
    ("flags", "words", "named"),
    [
        (Asked(priority="cost"), "fast", ["'cost'", "'latency'"]),
        (
            Asked(constraints=("ttft p95 <= 1s",)),
            "p95 ttft under 2 s",
            ["'ttft p95 <= 1000ms'", "'ttft p95 < 2000ms'"],
        ),
        (Asked(budget="5m"), "budget 10 minutes", ["300", "600"]),
        (Asked(budget="$5"), "$6 for the run", ["5", "6"]),
        (Asked(constraints=("ttft p95 >= 3s",)), "p95 ttft under 2 s", ["cannot both hold"]),
        (Asked(pin="int8", formats=("int4",)), None, ["'int8'", "int4"]),
    ],
)
def test_disagreement_within_one_command_is_refused(
    flags: Asked, words: str | None, named: list[str]
) -> None:
    with pytest.raises(SpecError) as refused:
        from_file("version: 1\nmodel: m\n", flags, words)
    assert refused.value.code is Code.CONTRADICTION
    for text in named:
        assert text in str(refused.value)


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (Asked(), Code.BAD_OPTION),
        (Asked(model="m", priority="speed"), Code.UNKNOWN_NAME),
        (Asked(model="m", price_usd_per_hour=-1.0), Code.BAD_OPTION),
        (Asked(model="m", price_usd_per_hour=float("nan")), Code.BAD_OPTION),
        (Asked(model="m", quality_items=0), Code.BAD_OPTION),
        (Asked(model="m", quality_share=0.0), Code.BAD_OPTION),
        (Asked(model="m", quality_share=1.5), Code.BAD_OPTION),
        (Asked(model="m", beside=("under-loud",)), Code.UNKNOWN_NAME),
    ],
)
def test_wrong_flags_are_refused(flags: Asked, code: Code) -> None:
    with pytest.raises(SpecError) as refused:
        read_request(flags)
    assert refused.value.code is code


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("", 1, "version: 1"),
        ("- a\n", 1, "no keys"),
        ("model: m\n", 1, "`version`"),
        ("version: 2\n", 1, "it holds 2"),
        ("version: 1\nconstrants: [a]\n", 2, "`constrants`"),
        ("version: 1\nconstraints:\n  - ttft p95 <= 1s\n  - ttft p96 <= 1s\n", 4, "'p96'"),
        ("version: 1\nmodel: a\nmodel: b\n", 3, "line 2 already"),
        ("version: 1\nmodel: &a x\npipeline: *a\n", 3, "aliases"),
        ("version: 1\nworkload:\n  preset: chat\n  foo: 1\n", 4, "`workload.foo`"),
        ("version: 1\nworkload:\n  concurrency: 0\n", 2, "at least 1"),
        ("version: 1\nworkload: chatt\n", 2, "'chatt'"),
        ("version: 1\nseed: abc\n", 2, "'abc'"),
        ("version: 1\npriority: speed\n", 2, "'speed'"),
        ("version: 1\nbudget: ten\n", 2, "'ten'"),
        ("version: 1\nprice: -2\n", 2, "-2 usd/h"),
        ("version: 1\nseed: -1\n", 2, "the seed is -1"),
        ("version: 1\nseed: 2147483648\n", 2, "0 to 2147483647"),
        ("version: 1\nquality_items: 0\n", 2, "0 quality items"),
        ("version: 1\nquality_share: 2\n", 2, "a quality share of 2"),
        ("version: 1\nbeside: long\n", 2, "further question"),
        ("version: 1\nformats: [a]\npin: b\n", 3, "'b'"),
        ("version: 1\nengines: [1]\n", 2, "engines.0"),
        ("version: 1\n\tmodel: 3", 2, "tab"),
        ("version: 1\nmodel: [\n", 3, "expected"),
        ("version: 1\nmodel: !!python/name:os.system x\n", 2, "python/name"),
    ],
)
def test_errors_in_a_file_name_its_line(text: str, line: int, named: str) -> None:
    with pytest.raises(SpecError) as refused:
        from_file(text, Asked(model="m"))
    assert f"r.yaml, line {line}:" in str(refused.value)
    assert named in str(refused.value).replace("'\\t'", "tab")


@pytest.mark.parametrize(
    ("model", "name"),
    [("/models/Tiny Llama/", "tiny-llama"), ("org/Qwen3-0.6B", "qwen3-0.6b"), ("/", "model")],
)
def test_the_pipeline_is_named_after_the_model(model: str, name: str) -> None:
    assert pipeline_name(model) == name


@pytest.mark.parametrize("name", ["a b", "demo@2", "Demo", "a/b", ""])
def test_a_pipeline_has_a_name_that_it_can_be_deployed_by(name: str) -> None:
    with pytest.raises(SpecError, match="cannot be the name of a pipeline") as raised:
        read_request(Asked(model="reference", pipeline=name))
    assert raised.value.code is Code.BAD_OPTION
    assert raised.value.fix.startswith("--pipeline ")
