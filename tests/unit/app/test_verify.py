"""A receipt with real samples and real answers beside it: what holds, what does not."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paceline.adapters.archives.folder import FolderArchive
from paceline.adapters.hosts.linux import LinuxHost
from paceline.app import remark
from paceline.app.verify import verify_receipt
from paceline.errors import Code, SetupError, SpecError
from paceline.rank import rank
from paceline.rank.receipt import seal
from paceline.records.fidelity import (
    FidelityReading,
    NextToken,
    Reading,
    Readings,
    TextReading,
    pack_readings,
)
from paceline.records.metric_names import QUALITY, QUALITY_MINE
from paceline.records.plan import Plan
from paceline.records.quality import (
    Check,
    CheckName,
    Item,
    Reply,
    Scorer,
)
from paceline.records.receipt import Fault, Receipt
from paceline.records.samples import Outcome, RequestSample, TokenSource, table_of
from paceline.records.samples import pack as pack_samples
from paceline.records.serial import SCHEMA_VERSION, pack
from paceline.records.trial import TrialRecord
from paceline.records.variant import Variant
from paceline.testing.builders import (
    a_cpu,
    a_model,
    a_request,
    a_suite,
    a_trial,
    a_variant,
    an_item,
)
from paceline.trial.closeness import Reference, fidelity_to
from paceline.trial.metrics import Beside, Footprint, trial_metrics
from paceline.trial.scoring import SuiteGrader, summarize
from paceline.trial.sequential import judged_again
from paceline.trial.timeline import summarise

SUITE = a_suite(
    (
        an_item(f"i{number}", question=f"{number} + {number}?", answer=str(2 * number))
        for number in range(20)
    ),
    name="small",
    sha256="5" * 64,
)


def a_request_at(index: int, token_s: float) -> RequestSample:
    sent_s = index * 0.1
    chunk_s = tuple(sent_s + 0.05 + k * token_s for k in range(8))
    return RequestSample(
        index=index,
        scheduled_s=sent_s,
        sent_s=sent_s,
        chunk_s=chunk_s,
        end_s=chunk_s[-1],
        input_tokens=16,
        output_tokens=8,
        outcome=Outcome.OK,
        token_source=TokenSource.USAGE,
    )


def measured(variant: Variant, token_s: float, wrong: int, archive: FolderArchive) -> TrialRecord:
    """A trial as `trial.run` makes it, from samples and answers that were made up."""
    samples = table_of([a_request_at(index, token_s) for index in range(100)])
    replies = [
        Reply(text="no idea" if n < wrong else item.answer) for n, item in enumerate(SUITE.items)
    ]
    grader = SuiteGrader()
    scores = [grader.grade(*pair) for pair in zip(SUITE.items, replies, strict=True)]
    quality = summarize(SUITE, scores)
    summary = summarise(samples, open_loop=False)
    trial = a_trial(variant, quality=quality)
    footprint = Footprint(
        peak_memory_gib=1.0,
        memory_gib=16.0,
        cold_start_s=trial.cold_start.total_s,
        price_usd_per_hour=0.1,
    )
    return replace(
        trial,
        metrics=trial_metrics(summary, quality, footprint),
        samples=archive.keep(pack_samples(samples), suffix=".npz"),
        steady=summary.steady,
    )


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path)


@pytest.fixture
def receipt(archive: FolderArchive) -> Receipt:
    baseline, rival = a_variant(), a_variant("openvino", "int8")
    request = a_request()
    plan = Plan(baseline=baseline, variants=(baseline, rival), rejected=())
    trials = (measured(baseline, 0.02, 1, archive), measured(rival, 0.005, 3, archive))
    return Receipt(
        run_id="20260101-120000-ab12",
        created_at_utc="2026-01-01T12:00:00+00:00",
        software={"paceline": "0.1.0"},
        request=request,
        model=a_model(),
        host=LinuxHost().fingerprint(),
        accelerators=(a_cpu(),),
        prices=(),
        formulas={},
        suite=archive.keep(pack(SUITE).encode(), suffix=".suite.json"),
        plan=plan,
        trials=trials,
        ranking=rank(request, plan, trials),
    )


@pytest.fixture
def path(receipt: Receipt, archive: FolderArchive, tmp_path: Path) -> Path:
    """Where the receipt lies."""
    return tmp_path / archive.keep(seal(receipt), suffix=".json").path


def test_what_was_measured_holds_where_it_was_made_and_elsewhere(
    path: Path, tmp_path: Path
) -> None:
    found = verify_receipt(path)
    assert found.findings == ()
    assert (found.trials, found.samples) == (2, 2)
    moved = tmp_path / "copy"
    moved.mkdir()
    for folder in ("receipts", "samples"):
        (tmp_path / folder).rename(moved / folder)
    assert verify_receipt(moved / "receipts" / path.name).ok


def test_samples_that_were_changed_are_named(path: Path, receipt: Receipt, tmp_path: Path) -> None:
    assert receipt.trials[1].samples is not None
    blob = tmp_path / receipt.trials[1].samples.path
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    (finding,) = verify_receipt(path).findings
    assert (finding.path, finding.fault) == ("$.trials[1].samples", Fault.BLOB)
    assert receipt.trials[1].samples.sha256 in finding.detail


def test_samples_that_are_gone_are_named(path: Path, receipt: Receipt, tmp_path: Path) -> None:
    assert receipt.trials[0].samples is not None
    (tmp_path / receipt.trials[0].samples.path).unlink()
    found = verify_receipt(path)
    assert [finding.path for finding in found.findings] == ["$.trials[0].samples"]
    assert found.samples == 1


def test_a_suite_that_is_gone_is_named_once(path: Path, receipt: Receipt, tmp_path: Path) -> None:
    assert receipt.suite is not None
    (tmp_path / receipt.suite.path).unlink()
    (finding,) = verify_receipt(path).findings
    assert (finding.path, finding.fault) == ("$.suite", Fault.BLOB)


def test_samples_of_another_trial_do_not_give_these_figures(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    swapped = replace(receipt.trials[1], samples=receipt.trials[0].samples)
    forged = replace(receipt, trials=(receipt.trials[0], swapped))
    path = tmp_path / archive.keep(seal(forged), suffix=".json").path
    paths = [finding.path for finding in verify_receipt(path).findings]
    assert "$.trials[1].metrics.output_tokens_per_s.value" in paths


def test_an_answer_that_was_mended_is_scored_again(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    trial = receipt.trials[1]
    assert trial.quality is not None
    items = list(trial.quality.items)
    items[0] = replace(items[0], score=1.0)
    forged_trial = replace(trial, quality=replace(trial.quality, items=tuple(items)))
    forged = replace(receipt, trials=(receipt.trials[0], forged_trial))
    path = tmp_path / archive.keep(seal(forged), suffix=".json").path
    (finding,) = verify_receipt(path).findings
    assert finding.path == "$.trials[1].quality.items[0].score"
    assert (finding.stored, finding.found) == ("1.0", "0.0")


def test_a_price_that_was_changed_changes_the_costs(path: Path) -> None:
    document = json.loads(path.read_text())
    document["request"]["price_usd_per_hour"] = 0.05
    path.write_text(json.dumps(document, sort_keys=True, indent=1) + "\n")
    found = verify_receipt(path).findings
    assert [finding.fault for finding in found[:2]] == [Fault.NAME, Fault.SECTION]
    assert found[1].path == "$.request.price_usd_per_hour"
    assert "$.trials[0].metrics.cost_usd_per_mtok.value" in [finding.path for finding in found]


def test_an_accelerator_that_the_receipt_does_not_describe_is_named(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    forged = replace(receipt, accelerators=(replace(a_cpu(), name="other"),))
    path = tmp_path / archive.keep(seal(forged), suffix=".json").path
    assert {finding.path for finding in verify_receipt(path).findings} == {"$.accelerators"}


def test_a_file_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.json", tmp_path):
        with pytest.raises(SpecError) as caught:
            verify_receipt(missing)
        assert caught.value.code is Code.BAD_INPUT_FILE


def test_a_receipt_of_a_later_program_is_not_called_wrong(
    path: Path, archive: FolderArchive, tmp_path: Path
) -> None:
    document = json.loads(path.read_text())
    document["schema_version"] = SCHEMA_VERSION + 1
    data = json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"
    later = tmp_path / archive.keep(data, suffix=".json").path
    with pytest.raises(SetupError, match=f"version is {SCHEMA_VERSION + 1}"):
        verify_receipt(later)


def foreign(receipt: Receipt, archive: FolderArchive, item: Item, answer: str) -> bytes:
    """The receipt with its first question replaced, answered by everyone with `answer`."""
    suite = replace(SUITE, items=(replace(item, item_id="i0"), *SUITE.items[1:]))
    trials = tuple(
        replace(
            trial,
            quality=replace(
                trial.quality,
                items=(replace(trial.quality.items[0], answer=answer), *trial.quality.items[1:]),
            ),
        )
        for trial in receipt.trials
        if trial.quality is not None
    )
    kept = archive.keep(pack(suite).encode(), suffix=".suite.json")
    return seal(replace(receipt, suite=kept, trials=trials))


def test_an_expression_without_an_end_is_ended_and_named(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remark, "MARKING_S", 0.05)
    monkeypatch.setattr(remark, "MARKING_S_PER_ANSWER", 0.005)
    endless = replace(SUITE.items[0], scorer=Scorer.REGEX, answer=r"(a+)+$")
    data = foreign(receipt, archive, endless, "a" * 60 + "b")
    findings = verify_receipt(tmp_path / archive.keep(data, suffix=".json").path).findings
    assert {(one.path, one.fault) for one in findings} == {("$.suite", Fault.UNMARKED)}
    assert "20 answers were not marked within 0.15 s" in findings[0].detail


@pytest.mark.parametrize(
    "change",
    [
        {"scorer": Scorer.REGEX, "answer": "("},
        {"scorer": Scorer.NUMBER, "answer": "many"},
        {"scorer": Scorer.JSON, "answer": "{"},
        {"scorer": Scorer.SCHEMA, "answer": "", "schema": "{"},
        {"scorer": Scorer.SCHEMA, "answer": "", "schema": '{"type": "number-ish"}'},
        {"scorer": Scorer.SCHEMA, "answer": "", "schema": '{"$ref": "http://example.com/s.json"}'},
        {"scorer": Scorer.SCHEMA, "answer": "[1]", "schema": "{}"},
        {"scorer": Scorer.SCHEMA, "answer": "", "schema": "[]"},
        {"scorer": Scorer.CHECKS, "checks": (Check(name=CheckName.MATCHES, text="("),)},
        {"scorer": Scorer.CHECKS, "checks": (Check(name=CheckName.PARTS, text=""),)},
    ],
)
def test_items_that_can_mark_nothing_are_named_and_nothing_is_fetched(
    receipt: Receipt, archive: FolderArchive, tmp_path: Path, change: dict[str, Any]
) -> None:
    data = foreign(receipt, archive, replace(SUITE.items[0], **change), "[1, 2]")
    findings = verify_receipt(tmp_path / archive.keep(data, suffix=".json").path).findings
    assert {(one.path, one.fault) for one in findings} == {("$.suite", Fault.UNMARKED)}


OWN = replace(SUITE, name="mine", sha256="6" * 64)


@pytest.fixture
def richer(receipt: Receipt, archive: FolderArchive) -> Receipt:
    """The rival was judged against the baseline, and both answered the user's own test set."""
    first, second = receipt.trials
    assert first.quality is not None
    assert second.quality is not None
    paired = judged_again(SUITE, second.quality, first.quality, margin=0.03, seed=0)
    trials = tuple(
        replace(
            trial,
            quality=quality,
            own_quality=replace(quality, suite="mine", suite_sha256=OWN.sha256, paired=None),
            metrics={**trial.metrics, QUALITY_MINE: trial.metrics[QUALITY]},
        )
        for trial, quality in (
            (first, first.quality),
            (second, replace(second.quality, paired=paired)),
        )
    )
    return replace(
        receipt,
        trials=trials,
        own_suite=archive.keep(pack(OWN).encode(), suffix=".suite"),
        ranking=rank(receipt.request, receipt.plan, trials),
    )


def test_verdict_and_own_test_set_are_found_again_from_the_answers(
    richer: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    kept = archive.keep(seal(richer), suffix=".json")
    assert verify_receipt(tmp_path / kept.path).findings == ()


def test_an_edited_answer_changes_the_verdict_and_the_score_on_the_own_set(
    richer: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    trial = richer.trials[1]
    assert trial.quality is not None
    assert trial.own_quality is not None
    wrong = [replace(item, answer="no idea") for item in trial.quality.items]
    edited = replace(
        trial,
        quality=replace(trial.quality, items=tuple(wrong)),
        own_quality=replace(trial.own_quality, items=tuple(wrong)),
    )
    kept = archive.keep(seal(replace(richer, trials=(richer.trials[0], edited))), suffix=".json")
    paths = {finding.path for finding in verify_receipt(tmp_path / kept.path).findings}
    assert "$.trials[1].quality.paired.difference" in paths
    assert "$.trials[1].own_quality.score" in paths
    assert "$.trials[1].metrics.quality_mine.value" in paths


def test_answers_to_an_own_set_that_is_gone_are_named(
    richer: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    kept = archive.keep(seal(replace(richer, own_suite=None)), suffix=".json")
    findings = verify_receipt(tmp_path / kept.path).findings
    assert {(one.path, one.fault) for one in findings} == {("$.own_suite", Fault.BLOB)}


def a_reading(likely: float) -> FidelityReading:
    top = {"other": math.log(1 - likely)}
    tokens = (NextToken(text="word", logprob=math.log(likely), top=top),) * 10
    return FidelityReading(
        reading=Reading.FORCED, texts=(TextReading(text_id="text-0", tokens=tokens),)
    )


@pytest.fixture
def closer(receipt: Receipt, archive: FolderArchive) -> Receipt:
    """Both were read, and the rival was asked besides: in full batches, and in long texts."""
    first, second = receipt.trials
    base = Readings(first=a_reading(0.9), again=a_reading(0.88))
    mine = Readings(first=a_reading(0.8))
    against = Reference(variant_id=first.variant.id, engine="e", readings=base)
    assert second.quality is not None
    loaded = summarize(SUITE, second.quality.items[:9])
    long = replace(second.quality, suite="long", suite_sha256=LONG.sha256, paired=None)
    trials = tuple(
        replace(
            trial,
            readings=archive.keep(pack_readings(readings), suffix=".readings"),
            fidelity=fidelity_to(readings, against),
            loaded_quality=loaded if trial is second else None,
            long_quality=long if trial is second else None,
        )
        for trial, readings in ((first, base), (second, mine))
    )
    trials = tuple(
        replace(
            trial,
            metrics={
                **trial.metrics,
                **trial_metrics(
                    None,
                    None,
                    NO_FOOTPRINT,
                    beside=Beside(
                        fidelity=trial.fidelity,
                        loaded=trial.loaded_quality,
                        long=trial.long_quality,
                    ),
                ),
            },
        )
        for trial in trials
    )
    return replace(
        receipt,
        trials=trials,
        long_suite=archive.keep(pack(LONG).encode(), suffix=".suite"),
        ranking=rank(receipt.request, receipt.plan, trials),
    )


LONG = replace(SUITE, name="long", sha256="7" * 64)
NO_FOOTPRINT = Footprint(
    peak_memory_gib=None, memory_gib=16.0, cold_start_s=None, price_usd_per_hour=None
)


def test_divergence_load_and_long_texts_are_found_again(
    closer: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    kept = archive.keep(seal(closer), suffix=".json")
    assert verify_receipt(tmp_path / kept.path).findings == ()
    mine = next(r for r in closer.ranking.ranked if r.variant == closer.trials[1].variant)
    assert mine.fidelity == closer.trials[1].fidelity is not None
    assert mine.under_load is not None
    assert mine.under_load.difference == 0


def test_an_edited_divergence_is_named(
    closer: Receipt, archive: FolderArchive, tmp_path: Path
) -> None:
    first, second = closer.trials
    assert second.fidelity is not None
    edited = replace(second, fidelity=replace(second.fidelity, mean_kl_nats=0.0))
    kept = archive.keep(seal(replace(closer, trials=(first, edited))), suffix=".json")
    paths = {finding.path for finding in verify_receipt(tmp_path / kept.path).findings}
    assert "$.trials[1].fidelity.mean_kl_nats" in paths


@pytest.mark.parametrize("gone", ["readings", "reference"])
def test_readings_that_are_gone_are_named(
    closer: Receipt, archive: FolderArchive, tmp_path: Path, gone: str
) -> None:
    first, second = closer.trials
    if gone == "readings":
        assert second.readings is not None
        (tmp_path / second.readings.path).unlink()
    else:
        first = replace(first, readings=None, fidelity=None)
    kept = archive.keep(seal(replace(closer, trials=(first, second))), suffix=".json")
    findings = verify_receipt(tmp_path / kept.path).findings
    assert ("$.trials[1].readings", Fault.BLOB) in {(one.path, one.fault) for one in findings}
