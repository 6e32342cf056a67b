"""The names of measured figures: how a constraint finds the figure that it is about.

Every figure of a trial has one name that carries its unit, as in the JSON contract:
`ttft_p95_ms`, `output_tokens_per_s`, `peak_memory_gib`. Whoever writes `TrialRecord.metrics` and
whoever reads it takes the names from here.
"""

from typing import Final

from paceline.records.request import Constraint, Workload

PERCENTILES: Final = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
STATISTICS: Final = ("mean", *PERCENTILES, "max")
LATENCIES: Final = ("ttft", "tpot", "itl", "e2e", "scheduled_ttft", "scheduled_e2e")
SCHEDULED: Final = {"ttft": "scheduled_ttft", "e2e": "scheduled_e2e"}
"""Under open-loop load these are judged from the scheduled arrival: no coordinated omission."""

OUTPUT_TOKENS_PER_S: Final = "output_tokens_per_s"
REQUESTS_PER_S: Final = "requests_per_s"
GOODPUT: Final = "goodput_requests_per_s"
FAILED_SHARE: Final = "failed_share"
PEAK_MEMORY_GIB: Final = "peak_memory_gib"
MEMORY_PERCENT: Final = "memory_percent"
COLD_START_S: Final = "cold_start_s"
QUALITY: Final = "quality"
QUALITY_MINE: Final = "quality_mine"
QUALITY_LOADED: Final = "quality_under_load"
QUALITY_LONG: Final = "quality_long_context"
QUALITY_SHARE: Final = "quality_time_share"
PIXELS_SSIM: Final = "pixels_ssim"
LATENTS_SSIM: Final = "latents_ssim"
KL_NATS: Final = "fidelity_kl_nats"
TOP1_AGREEMENT: Final = "fidelity_top1_agreement"
PERPLEXITY_RATIO: Final = "fidelity_perplexity_ratio"
SPECULATION_ACCEPTANCE: Final = "speculation_acceptance"
SPECULATION_MEAN_LENGTH: Final = "speculation_mean_length_tokens"
SPECULATION_DRAFT_RATIO: Final = "speculation_draft_ratio"
COST_USD_PER_MTOK: Final = "cost_usd_per_mtok"
COST_USD_PER_REQUEST: Final = "cost_usd_per_request"
COST_USD_PER_MONTH: Final = "cost_usd_per_month"
COST_USD_PER_IMAGE: Final = "cost_usd_per_image"

_BY_METRIC_AND_UNIT: Final = {
    ("output_tokens_per_s", "tokens/s"): OUTPUT_TOKENS_PER_S,
    ("requests_per_s", "requests/s"): REQUESTS_PER_S,
    ("goodput", "requests/s"): GOODPUT,
    ("failed_share", ""): FAILED_SHARE,
    ("memory", "GiB"): PEAK_MEMORY_GIB,
    ("memory", "%"): MEMORY_PERCENT,
    ("cold_start", "s"): COLD_START_S,
    ("quality", ""): QUALITY,
    ("quality(mine)", ""): QUALITY_MINE,
    ("quality(load)", ""): QUALITY_LOADED,
    ("quality(long)", ""): QUALITY_LONG,
    ("cost", "usd/mtok"): COST_USD_PER_MTOK,
    ("cost", "usd/request"): COST_USD_PER_REQUEST,
    ("cost", "usd/month"): COST_USD_PER_MONTH,
    ("cost", "usd/image"): COST_USD_PER_IMAGE,
}

_SEEN_WHOLE: Final = frozenset(
    {PEAK_MEMORY_GIB, MEMORY_PERCENT, COLD_START_S, COST_USD_PER_MONTH}
    | {f"{latency}_max_ms" for latency in LATENCIES}
)


def latency_name(metric: str, statistic: str, *, open_loop: bool = False) -> str:
    """`ttft`, `p95` → `ttft_p95_ms`; with `open_loop`, `scheduled_ttft_p95_ms`."""
    return f"{SCHEDULED.get(metric, metric) if open_loop else metric}_{statistic}_ms"


def constrained_name(constraint: Constraint, workload: Workload) -> str:
    """The figure that decides `constraint` under `workload`."""
    if constraint.statistic is not None:
        open_loop = workload.rate_rps is not None
        return latency_name(constraint.metric, constraint.statistic, open_loop=open_loop)
    return _BY_METRIC_AND_UNIT[constraint.metric, constraint.unit]


def seen_whole(name: str) -> bool:
    """Whether the figure is an observation of the run itself, not an estimate from a sample.

    A peak, a maximum, a start or a price has no interval of its own: what was seen is judged.
    """
    return name in _SEEN_WHOLE
