"""Every constraint leads to one named figure."""

from paceline.records.metric_names import constrained_name, latency_name, seen_whole
from paceline.records.request import Comparison, Constraint
from paceline.spec.metrics import METRICS
from paceline.testing.builders import a_workload


def test_every_metric_unit_and_statistic_of_the_grammar_has_a_name() -> None:
    names = set()
    for spec in METRICS.values():
        for base in {unit.base for unit in spec.units.values()}:
            for statistic in spec.statistics or (None,):
                constraint = Constraint(
                    metric=spec.name,
                    statistic=statistic,
                    comparison=Comparison.AT_MOST,
                    limit=1.0,
                    unit=base,
                )
                name = constrained_name(constraint, a_workload())
                assert name not in names
                names.add(name)
    assert {"ttft_p95_ms", "memory_percent", "cost_usd_per_mtok"} <= names


def test_open_loop_is_judged_from_the_scheduled_arrival() -> None:
    assert latency_name("ttft", "p95", open_loop=True) == "scheduled_ttft_p95_ms"
    assert latency_name("e2e", "mean", open_loop=True) == "scheduled_e2e_mean_ms"
    assert latency_name("tpot", "p95", open_loop=True) == "tpot_p95_ms"
    assert latency_name("ttft", "p95") == "ttft_p95_ms"


def test_a_maximum_is_seen_whole_and_a_percentile_is_not() -> None:
    assert seen_whole("scheduled_e2e_max_ms")
    assert seen_whole("peak_memory_gib")
    assert not seen_whole("ttft_p99_ms")
    assert not seen_whole("output_tokens_per_s")
