"""A receipt that nobody touched holds; one that was touched says where."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paceline import __version__
from paceline.rank import rank
from paceline.rank.receipt import FORMULAS, Recomputed, check, differences, seal, section_hashes
from paceline.records import metric_names
from paceline.records.measurement import Metric
from paceline.records.plan import Plan
from paceline.records.receipt import Fault, Finding, Price, Receipt, Verification
from paceline.records.request import Comparison, Constraint
from paceline.records.serial import SCHEMA_VERSION, Json, NewerSchema, dump
from paceline.records.variant import Rejection, RejectionReason
from paceline.testing.builders import (
    a_cpu,
    a_host,
    a_metric,
    a_model,
    a_request,
    a_trial,
    a_variant,
)

Document = dict[str, Any]

BASELINE, RIVAL = a_variant(), a_variant("openvino", "int8")
FAST_ENOUGH = Constraint(
    metric="ttft", statistic="p95", comparison=Comparison.AT_MOST, limit=500.0, unit="ms"
)


def figures(tokens_per_s: float) -> dict[str, Metric]:
    return {
        "output_tokens_per_s": a_metric(tokens_per_s, "tokens/s", spread=0.01),
        "ttft_p95_ms": a_metric(200.0, spread=0.01),
        "cost_usd_per_mtok": a_metric(100 / tokens_per_s, "usd/mtok", spread=0.01),
    }


def a_receipt() -> Receipt:
    request = a_request(FAST_ENOUGH)
    plan = Plan(baseline=BASELINE, variants=(BASELINE, RIVAL), rejected=())
    trials = (a_trial(BASELINE, figures(10.0)), a_trial(RIVAL, figures(40.0)))
    return Receipt(
        run_id="20260101-120000-ab12",
        created_at_utc="2026-01-01T12:00:00+00:00",
        software={"paceline": __version__},
        request=request,
        model=a_model(),
        host=a_host(),
        accelerators=(a_cpu(),),
        prices=(),
        formulas={"ttft_ms": "first chunk − request written"},
        suite=None,
        plan=plan,
        trials=trials,
        ranking=rank(request, plan, trials),
    )


RAW = a_receipt().trials
"""What the raw data say, whatever the document does."""


def from_raw_data(receipt: Receipt, index: int) -> Recomputed:
    trial = replace(receipt.trials[index], metrics=RAW[index].metrics)
    return Recomputed(trial=trial, findings=(), samples=1)


def checked(data: bytes, sha256: str | None = None) -> Verification:
    return check(data, sha256 or hashlib.sha256(data).hexdigest(), from_raw_data)


def edited(edit: Callable[[Document], object]) -> Verification:
    """Check of a receipt in which only the fields were changed, under its old name."""
    data = seal(a_receipt())
    document: Document = json.loads(data)
    edit(document)
    changed = json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"
    return checked(changed, hashlib.sha256(data).hexdigest())


def paths(found: Verification, fault: Fault) -> list[str]:
    return [finding.path for finding in found.findings if finding.fault is fault]


def test_an_untouched_receipt_holds() -> None:
    found = checked(seal(a_receipt()))
    assert found.ok
    assert (found.run_id, found.trials, found.samples) == ("20260101-120000-ab12", 2, 2)
    assert found.figures > 50


def test_one_receipt_has_one_text() -> None:
    data = seal(a_receipt())
    assert seal(a_receipt()) == data
    assert data.endswith(b"}\n")
    assert json.loads(data)["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    ("edit", "path", "stored"),
    [
        (
            lambda d: d["trials"][1]["metrics"]["ttft_p95_ms"].update(value=20.0),
            "$.trials[1].metrics.ttft_p95_ms.value",
            "20.0",
        ),
        (
            lambda d: d["trials"][0]["metrics"].pop("ttft_p95_ms"),
            "$.trials[0].metrics.ttft_p95_ms",
            None,
        ),
        (
            lambda d: d["ranking"].update(winner=BASELINE.id),
            "$.ranking.winner",
            f'"{BASELINE.id}"',
        ),
        (
            lambda d: d["ranking"]["ranked"][0]["verdicts"][0].update(verdict="fail"),
            "$.ranking.ranked[0].verdicts[0].verdict",
            '"fail"',
        ),
        (
            lambda d: d["ranking"]["ranked"][1].update(rank=None),
            "$.ranking.ranked[1].rank",
            "null",
        ),
    ],
)
def test_an_edited_figure_is_named_with_both_sides(
    edit: Callable[[Document], object], path: str, stored: str | None
) -> None:
    found = edited(edit)
    assert paths(found, Fault.NAME) == ["$"]
    assert paths(found, Fault.SECTION) == []  # the field itself says it better
    (finding,) = [f for f in found.findings if f.fault is Fault.ARITHMETIC]
    assert (finding.path, finding.stored) == (path, stored)
    assert finding.found not in (None, stored)
    assert finding.path in finding.text


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (
            lambda d: d["trials"][1]["provenance"].update(argv=["other"]),
            "$.trials[1].provenance.argv",
        ),
        (lambda d: d["trials"][0].update(wall_s=1.0), "$.trials[0].wall_s"),
        (lambda d: d["host"].update(cpu_model="Faster CPU"), "$.host.cpu_model"),
        (lambda d: d["software"].update(paceline="9.9"), "$.software.paceline"),
        (lambda d: d["request"].update(seed=7), "$.request.seed"),
        (lambda d: d.update(run_id="20990101-120000-ab12"), "$.run_id"),
    ],
)
def test_an_edited_field_that_nothing_is_computed_from_is_named_too(
    edit: Callable[[Document], object], path: str
) -> None:
    found = edited(edit)
    assert paths(found, Fault.NAME) == ["$"]
    assert paths(found, Fault.SECTION) == [path]


@pytest.mark.parametrize(("software", "holds"), [(__version__, False), ("0.0.9", True)])
def test_only_its_own_program_words_a_ranking_alike(software: str, holds: bool) -> None:
    receipt = a_receipt()
    first, *others = receipt.ranking.ranked
    reworded = replace(first, notes=("said in other words",), chips=())
    other = replace(
        receipt,
        software={"paceline": software},
        ranking=replace(receipt.ranking, ranked=(reworded, *others)),
    )
    found = checked(seal(other))
    assert found.ok is holds
    wrong = replace(other, ranking=replace(other.ranking, winner=None))
    assert "$.ranking.winner" in paths(checked(seal(wrong)), Fault.ARITHMETIC)


def test_parts_that_came_went_or_changed_are_told_apart() -> None:
    def edit(document: Document) -> None:
        document["formulas"]["new"] = "x ÷ y"
        document["formulas"]["ttft_ms"] = "whatever " * 100
        del document["software"]["paceline"]

    texts = {f.path: f.detail for f in edited(edit).findings if f.fault is Fault.SECTION}
    assert texts["$.formulas.new"].startswith("this part was added: ")
    assert texts["$.formulas.ttft_ms"].startswith('this part was changed to "whatever')
    assert len(texts["$.formulas.ttft_ms"]) < 120
    assert texts["$.software.paceline"] == "this part was removed"


def test_what_was_edited_comes_before_what_follows_from_it() -> None:
    found = edited(lambda d: d["request"]["constraints"][0].update(limit=100.0))
    kinds = [finding.fault for finding in found.findings]
    assert kinds[:2] == [Fault.NAME, Fault.SECTION]
    assert found.findings[1].path == "$.request.constraints[0].limit"
    assert "$.ranking.winner" in paths(found, Fault.ARITHMETIC)


def test_a_forged_name_and_forged_sections_still_meet_the_raw_data() -> None:
    honest = a_receipt()
    metrics = figures(400.0)
    trials = (honest.trials[0], replace(honest.trials[1], metrics=metrics))
    forged = replace(honest, trials=trials, ranking=rank(honest.request, honest.plan, trials))
    found = checked(seal(forged))
    assert paths(found, Fault.NAME) == []
    assert "$.trials[1].metrics.output_tokens_per_s.value" in paths(found, Fault.ARITHMETIC)


def test_a_price_that_no_cost_was_computed_with_does_not_hold() -> None:
    price = Price(accelerator="cpu", usd_per_hour=0.1, source=None, used_at_utc="2026-01-01")
    assert checked(seal(replace(a_receipt(), prices=(price,)))).ok
    forged = checked(seal(replace(a_receipt(), prices=(replace(price, usd_per_hour=0.05),))))
    assert paths(forged, Fault.ARITHMETIC) == ["$.prices[0].usd_per_hour"]


def test_a_measured_variant_that_the_plan_does_not_know_does_not_hold() -> None:
    honest = a_receipt()
    plan = replace(honest.plan, variants=(BASELINE,))
    forged = replace(honest, plan=plan, ranking=rank(honest.request, plan, honest.trials))
    found = checked(seal(forged))
    assert paths(found, Fault.ARITHMETIC) == ["$.trials[1].variant"]
    left_out = Rejection(variant=RIVAL, reason=RejectionReason.PREDICTED, detail="cannot win")
    plan = replace(plan, rejected=(left_out,))
    told = replace(honest, plan=plan, ranking=rank(honest.request, plan, honest.trials))
    assert checked(seal(told)).ok


def test_a_receipt_that_was_only_reformatted_is_told_so() -> None:
    data = seal(a_receipt())
    compact = json.dumps(json.loads(data)).encode()
    (finding,) = checked(compact, hashlib.sha256(data).hexdigest()).findings
    assert finding.fault is Fault.NAME
    assert "only its spaces" in finding.detail


def test_a_renamed_receipt_does_not_hold() -> None:
    (finding,) = checked(seal(a_receipt()), "receipt").findings
    assert (finding.fault, finding.stored) == (Fault.NAME, "receipt")


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (lambda d: d["trials"][0].pop("cause"), "$.trials[0].cause"),
        (lambda d: d["trials"][0].update(cause="boredom"), "$.trials[0].cause"),
        (lambda d: d["host"].update(owner="me"), "$.host.owner"),
        (lambda d: d.pop("request"), "$.request"),
        (lambda d: d.pop("sections"), "$.sections"),
        (lambda d: d.update(kind="invoice"), "$.kind"),
        (lambda d: d.update(schema_version="1"), "$.schema_version"),
        (lambda d: d.update(schema_version=SCHEMA_VERSION + 1), "$.schema_version"),
        (lambda d: d["trials"][0].update(wall_s=float("nan")), "$.trials[0].wall_s"),
    ],
)
def test_a_field_that_does_not_belong_is_named(
    edit: Callable[[Document], object], path: str
) -> None:
    found = edited(edit)
    assert not found.ok
    assert path in paths(found, Fault.MALFORMED)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe", b'{"a":', b"[" * 100_000])
def test_what_is_no_receipt_at_all_does_not_hold(data: bytes) -> None:
    assert paths(checked(data), Fault.MALFORMED) == ["$"]


def test_an_intact_receipt_of_a_later_program_is_not_called_wrong() -> None:
    document = json.loads(seal(a_receipt()))
    document["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(NewerSchema):
        checked(json.dumps(document, sort_keys=True, indent=1).encode() + b"\n")


def test_an_edit_that_breaks_the_arithmetic_is_a_finding() -> None:
    def broken(receipt: Receipt, index: int) -> Recomputed:
        raise ZeroDivisionError("division by zero")

    data = seal(a_receipt())
    changed = data.replace(b'"concurrency": 8', b'"concurrency": 0')
    found = check(changed, hashlib.sha256(data).hexdigest(), broken)
    assert "$.request.workload.concurrency" in paths(found, Fault.SECTION)
    assert any("ZeroDivisionError" in finding.detail for finding in found.findings)
    with pytest.raises(ZeroDivisionError):
        check(data, hashlib.sha256(data).hexdigest(), broken)


def test_raw_data_that_is_gone_is_reported_and_the_rest_is_checked() -> None:
    gone = Finding(path="$.trials[0].samples", fault=Fault.BLOB, detail="gone")

    def partly(receipt: Receipt, index: int) -> Recomputed:
        lost = index == 0
        trial = receipt.trials[0] if lost else from_raw_data(receipt, 1).trial
        return Recomputed(trial=trial, findings=(gone,) if lost else (), samples=int(not lost))

    data = seal(a_receipt())
    found = check(data, hashlib.sha256(data).hexdigest(), partly)
    assert found.findings == (gone,)
    assert found.samples == 1


def test_rounding_is_no_difference_and_a_changed_digit_is() -> None:
    stored: Json = {"a": 0.1 + 0.2, "b": [1.0, 2.0]}
    assert list(differences(stored, {"a": 0.3, "b": [1.0, 2.0]}, "$")) == []
    (finding,) = differences(stored, {"a": 0.3, "b": [1.0, 2.000001]}, "$")
    assert finding.path == "$.b[1]"


def test_kinds_and_lengths_differ_too() -> None:
    assert [f.path for f in differences([1, True, None], [1.0, 1], "$")] == [
        "$[0]",
        "$[1]",
        "$[2]",
    ]


def test_every_value_of_a_receipt_is_in_some_section() -> None:
    content = dump(a_receipt())
    hashes = section_hashes(content)
    assert {"$.run_id", "$.trials[1].metrics.ttft_p95_ms", "$.plan.rejected"} <= hashes.keys()
    for name in content:
        assert any(path.startswith(f"$.{name}") for path in hashes)


def test_every_figure_that_a_trial_can_have_is_explained() -> None:
    names = {
        getattr(metric_names, constant)
        for constant in dir(metric_names)
        if constant.isupper() and isinstance(getattr(metric_names, constant), str)
    }
    assert names | {f"{latency}_ms" for latency in metric_names.LATENCIES} <= FORMULAS.keys()
