import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from paceline.app.evaluate import EvalRequest, Evaluation, Examiner
from paceline.app.evaluation_report import evaluation_document, evaluation_page
from paceline.errors import SetupError, SpecError
from paceline.ports.quality import Grader, OnProgress, StopRule
from paceline.records.fidelity import FidelityReading, NextToken, Reading, TextReading
from paceline.records.load import Target
from paceline.records.measurement import Verdict
from paceline.records.quality import (
    QualityProgress,
    QualityResult,
    Reply,
    Scorer,
    Split,
    StopCause,
    Stopped,
    Suite,
)
from paceline.testing.builders import a_suite, an_item

GOOD = Target(base_url="http://good", model="m", api_key="secret")
BAD = replace(GOOD, base_url="http://bad")


def suite(count: int = 100) -> Suite:
    return a_suite(an_item(f"q{n:03d}", question=f"<b>{n}</b>") for n in range(count))


@dataclass
class Shelf:
    found: Suite = field(default_factory=suite)

    def names(self) -> tuple[str, ...]:
        return (self.found.name,)

    def find(self, name: str) -> Suite:
        return self.found


@dataclass
class Oracle:
    """Answers from a function of the endpoint and the item; remembers what it was asked."""

    answer: Callable[[str, int], Reply]
    asked: list[tuple[str, int]] = field(default_factory=list)
    paths: list[Path | None] = field(default_factory=list)
    name: str = "oracle"

    def evaluate(
        self,
        target: Target,
        suite: Suite,
        *,
        grader: Grader,
        seed: int,
        concurrency: int,
        stop: StopRule | None = None,
        on_progress: OnProgress | None = None,
    ) -> QualityResult:
        scores = []
        stopped: Stopped | None = None
        for number, item in enumerate(suite.items):
            scores.append(grader.grade(item, self.answer(target.base_url, number + seed)))
            stopped = stop(scores) if stop else None
            if on_progress:
                on_progress(
                    QualityProgress(answered=number + 1, total=len(suite.items), score=0, errors=0)
                )
            if stopped:
                break
        self.asked.append((target.base_url, len(scores)))
        return grader.summarize(suite, scores, stopped=stopped)


REQUEST = EvalRequest(target=BAD, suite="s", against=GOOD)


@dataclass
class Distributions:
    """Gives each endpoint's reading; by default none has any."""

    by_url: dict[str, FidelityReading] = field(default_factory=dict)
    asked: list[Reading | None] = field(default_factory=list)

    def read(
        self,
        target: Target,
        *,
        prompts: Sequence[str],
        concurrency: int,
        reading: Reading | None = None,
    ) -> FidelityReading:
        self.asked.append(reading)
        nothing = FidelityReading(reading=None, texts=(), unavailable="HTTP 400")
        return self.by_url.get(target.base_url, nothing)


def run(
    request: EvalRequest,
    oracle: Oracle,
    found: Suite | None = None,
    reader: Distributions | None = None,
) -> Evaluation:
    def make(path: Path | None) -> Oracle:
        oracle.paths.append(path)
        return oracle

    return Examiner(
        request,
        suites=Shelf(found or suite()),
        make_evaluator=make,
        reader=reader or Distributions(),
        on_progress=lambda _part: lambda _progress: None,
    ).run()


def differing(share: int) -> Callable[[str, int], Reply]:
    """`good` is always right; `bad` is wrong on every `share`th item."""

    def answer(url: str, number: int) -> Reply:
        wrong = url == BAD.base_url and number % share == 0
        return Reply(text="no, sir" if wrong else "yes")

    return answer


def test_alone_there_is_nothing_to_compare_with() -> None:
    found = run(EvalRequest(target=GOOD, suite="s"), Oracle(differing(2)))
    assert found.result.score == 1.0
    assert (found.baseline, found.comparison, found.verdict, found.noise) == (None,) * 4


def test_a_much_worse_endpoint_is_not_asked_to_the_end() -> None:
    oracle = Oracle(differing(2))
    found = run(REQUEST, oracle)
    assert found.verdict is not None
    assert found.verdict.verdict is Verdict.FAIL
    assert found.result.stopped is not None
    assert found.result.stopped.cause is StopCause.CLEAR
    assert oracle.asked[0] == ("http://good", 100)
    assert oracle.asked[1][1] < 50
    assert found.comparison is not None
    assert len(found.comparison.lost) == sum(item.score == 0 for item in found.result.items)


def test_every_item_asks_on_and_gives_the_same_verdict() -> None:
    oracle = Oracle(differing(2))
    found = run(replace(REQUEST, every_item=True), oracle)
    assert oracle.asked[1] == ("http://bad", 100)
    assert found.verdict is not None
    assert found.verdict.verdict is Verdict.FAIL
    assert found.result.stopped is None


def test_a_collapse_is_called_garbage() -> None:
    found = run(REQUEST, Oracle(differing(1)))
    assert found.result.stopped is not None
    assert found.result.stopped.cause is StopCause.GARBAGE


def test_the_noise_floor_counts_the_flips_of_the_baseline_itself() -> None:
    def answer(url: str, number: int) -> Reply:
        return Reply(text="yes" if number % 10 else "no, sir")  # the second asking shifts by one

    found = run(replace(REQUEST, noise_floor=True), Oracle(answer))
    assert found.noise is not None
    assert (found.noise.flips, found.noise.items) == (20, 100)
    assert found.under_load is None


def test_the_noise_floor_of_an_endpoint_that_repeats_itself_is_soon_known() -> None:
    request = replace(REQUEST, noise_floor=True)
    for every_item, items in ((False, 72), (True, 100)):
        found = run(replace(request, every_item=every_item), Oracle(differing(2)))
        assert found.noise is not None
        assert (found.noise.flips, found.noise.items) == (0, items)


def test_under_load_the_endpoint_is_asked_again_with_more_in_flight() -> None:
    def answer(_url: str, number: int) -> Reply:
        return Reply(text="yes" if number % 4 else "no, sir")

    request = EvalRequest(target=GOOD, suite="s", loaded_concurrency=64)
    found = run(request, Oracle(answer))
    assert found.under_load is not None
    assert (found.under_load.concurrency, found.under_load.flips) == (64, 50)


def test_a_broken_endpoint_is_not_put_under_load() -> None:
    oracle = Oracle(lambda _url, _number: Reply(text=""))
    found = run(EvalRequest(target=GOOD, suite="s", loaded_concurrency=64), oracle)
    assert found.under_load is None
    assert len(oracle.asked) == 1


def reading(share: float) -> FidelityReading:
    at = NextToken(text="a", logprob=math.log(share), top={"b": math.log(1 - share)})
    return FidelityReading(
        reading=Reading.GREEDY, texts=(TextReading(text_id="t", tokens=(at,) * 8),)
    )


def test_fidelity_reads_both_in_the_way_of_the_baseline() -> None:
    reader = Distributions({GOOD.base_url: reading(0.9), BAD.base_url: reading(0.8)})
    request = replace(REQUEST, fidelity=True)
    found = run(request, Oracle(differing(50)), reader=reader)
    assert reader.asked == [None, Reading.GREEDY, Reading.GREEDY]
    assert found.fidelity is not None
    assert found.fidelity.mean_kl_nats > 0
    against = evaluation_document(request, found)["against"]
    assert isinstance(against, dict)
    assert against["fidelity"]["positions"] == 8


def test_distributions_beyond_what_the_format_explains_end_it_at_the_first_answer() -> None:
    far = FidelityReading(
        reading=Reading.GREEDY,
        texts=tuple(replace(reading(0.6).texts[0], text_id=f"t{n}") for n in range(40)),
    )
    near = FidelityReading(
        reading=Reading.GREEDY,
        texts=tuple(replace(t, tokens=reading(0.9).texts[0].tokens) for t in far.texts),
    )
    oracle = Oracle(differing(50))
    reader = Distributions({GOOD.base_url: near, BAD.base_url: far})
    found = run(replace(REQUEST, fidelity=True, format="int8"), oracle, reader=reader)
    assert found.result.stopped is not None
    assert found.result.stopped.cause is StopCause.GARBAGE
    assert "8 bits per weight" in found.result.stopped.because
    assert oracle.asked[1] == (BAD.base_url, 1)
    sound = run(
        replace(REQUEST, fidelity=True, format="int4"), Oracle(differing(50)), reader=reader
    )
    assert sound.result.stopped is None or sound.result.stopped.cause is StopCause.CLEAR


def test_a_format_that_nobody_knows_is_refused_before_asking() -> None:
    oracle = Oracle(differing(50))
    with pytest.raises(SpecError, match="unknown-name"):
        run(replace(REQUEST, fidelity=True, format="int88"), oracle)
    assert oracle.asked == []


def test_the_page_lists_flips_noise_load_and_fidelity() -> None:
    def answer(url: str, number: int) -> Reply:
        wrong = number in (3, 4) if url == BAD.base_url else number in (7, 100)
        return Reply(text="no, sir" if wrong else "yes")

    request = replace(
        REQUEST, fidelity=True, noise_floor=True, loaded_concurrency=32, every_item=True
    )
    reader = Distributions({one.base_url: reading(0.9) for one in (GOOD, BAD)})
    found = run(request, Oracle(answer), reader=reader)
    page = evaluation_page(request, found)
    assert "<meta name='viewport'" in page, "readable on a narrow screen"
    assert "<p>lost 2: q003, q004</p>" in page
    assert "<p>gained 1: q007</p>" in page
    assert "<p>baseline asked twice: 3 of 100 items flip with 8 in flight" in page
    assert "<p>under load: 2 of 100 items flip with 32 in flight" in page
    assert "mean KL 0.0000 nats" in page
    document = evaluation_document(request, found)
    against = document["against"]
    assert isinstance(against, dict)
    assert against["comparison"]["lost"] == ["q003", "q004"]
    assert against["comparison"]["gained"] == ["q007"]
    assert against["noise_floor"]["flips"] == 3
    assert against["fidelity"]["p_value"] == 1.0
    under_load = document["under_load"]
    assert isinstance(under_load, dict)
    assert under_load["flips"] == 2


@pytest.mark.parametrize("blind", [GOOD, BAD])
def test_an_endpoint_without_log_probabilities_is_named_and_the_rest_goes_on(
    blind: Target,
) -> None:
    seeing = {one.base_url: reading(0.9) for one in (GOOD, BAD) if one is not blind}
    request = replace(REQUEST, fidelity=True)
    found = run(request, Oracle(differing(50)), reader=Distributions(seeing))
    assert found.fidelity is None
    assert found.fidelity_because == f"{blind.base_url}: HTTP 400"
    assert found.verdict is not None


def test_each_part_keeps_its_answers_apart() -> None:
    oracle = Oracle(differing(50))
    run(replace(REQUEST, answers_path=Path("x/a.jsonl"), noise_floor=True), oracle)
    assert [str(path) for path in oracle.paths] == [
        "x/a.baseline.jsonl",
        "x/a.noise.jsonl",
        "x/a.jsonl",
    ]


@pytest.mark.parametrize(
    ("error", "code", "fix"),
    [
        ("ConnectError: refused", "endpoint-unreachable", "start the server"),
        ("ConnectError: [SSL: WRONG_VERSION_NUMBER]", "endpoint-failed", "http:// if"),
        ("ReadError", "endpoint-failed", "check that the endpoint runs"),
        ("HTTP 404: no such model", "endpoint-failed", "--model"),
        ("HTTP 401: who are you", "endpoint-failed", "--api-key"),
        ("HTTP 400: no chat template", "endpoint-failed", "--completions"),
    ],
)
def test_no_answer_at_all_is_an_error_and_no_score(error: str, code: str, fix: str) -> None:
    with pytest.raises(SetupError, match=code) as caught:
        run(REQUEST, Oracle(lambda _url, _number: Reply(text="", error=error)))
    assert error in caught.value.why
    assert fix in caught.value.fix


def test_a_page_that_a_server_answers_with_is_told_in_a_line() -> None:
    page = "HTTP 501: <!DOCTYPE html>\n<title>Oops</title>\n <p>Message: no\n POST</p>\n<p clas"
    with pytest.raises(SetupError) as caught:
        run(REQUEST, Oracle(lambda _url, _number: Reply(text="", error=page)))
    assert caught.value.why.endswith("requests failed: HTTP 501: Message: no POST")


def test_where_nobody_listens_one_request_is_sent() -> None:
    oracle = Oracle(lambda _url, _number: Reply(text="", error="ConnectTimeout: "))
    with pytest.raises(SetupError, match="nothing answers at 'http://good'"):
        run(REQUEST, oracle)
    assert oracle.asked == [("http://good", 1)]


def test_a_split_without_items_is_refused_before_asking() -> None:
    oracle = Oracle(differing(1))
    with pytest.raises(SpecError, match="has no report items"):
        run(replace(REQUEST, split=Split.REPORT), oracle)
    assert oracle.asked == []


def test_an_own_scorer_without_its_file_is_refused_before_asking() -> None:
    item = replace(suite(1).items[0], scorer=Scorer.PYTHON, answer="mark")
    with pytest.raises(SpecError, match="no scorer file"):
        run(REQUEST, Oracle(differing(1)), replace(suite(1), items=(item,)))


def test_the_document_holds_everything_but_the_key() -> None:
    request = replace(REQUEST, noise_floor=True)
    found = run(request, Oracle(differing(2)))
    document = evaluation_document(request, found)
    against = document["against"]
    assert isinstance(against, dict)
    assert against["verdict"]["verdict"] == "fail"
    assert against["comparison"]["lost"][0] == "q000"
    assert against["noise_floor"] == {
        "concurrency": 8,
        "flips": 0,
        "items": 72,
        "difference": 0.0,
    }
    assert "secret" not in repr(document)


def test_the_page_escapes_what_comes_from_outside() -> None:
    def answer(_url: str, _number: int) -> Reply:
        return Reply(text="<script>alert(1)</script>")

    request = EvalRequest(target=GOOD, suite="s")
    page = evaluation_page(request, run(request, Oracle(answer)))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;0&lt;/b&gt;" in page
    assert "secret" not in page
