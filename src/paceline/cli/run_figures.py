"""Which figures of a run are shown, and how its load is said: texts and images differ here."""

from dataclasses import dataclass
from typing import Final

from paceline.cli.run_charts import (
    COST,
    E2E,
    IMAGE_COST,
    QUALITY,
    REQUESTS,
    THROUGHPUT,
    TTFT,
    Shown,
)
from paceline.records.measurement import Verdict
from paceline.records.metric_names import (
    KL_NATS,
    LATENTS_SSIM,
    QUALITY_SHARE,
    SPECULATION_ACCEPTANCE,
)
from paceline.records.ranking import Ranked, Ranking
from paceline.records.request import Workload
from paceline.records.run import RunRecord, RunState

UNKNOWN: Final = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A figure as a table shows it; `form` is of `format`."""

    title: str
    metric: str
    form: str


_QUALITY: Final = Column(title="quality", metric="quality", form=".3f")
_MEMORY: Final = Column(title="GiB", metric="peak_memory_gib", form=",.2f")
_GUESSES: Final = Column(title="guesses", metric=SPECULATION_ACCEPTANCE, form=".0%")
_TIME: Final = Column(title="quality's time", metric=QUALITY_SHARE, form=".0%")
_CLOSENESS: Final = Column(title="KL nats", metric=KL_NATS, form=".4f")
_LATENTS: Final = Column(title="latents", metric=LATENTS_SSIM, form=".3f")
_TOKENS: Final = (
    Column(title="tokens/s", metric="output_tokens_per_s", form=",.0f"),
    Column(title="TTFT p95 ms", metric="ttft_p95_ms", form=",.0f"),
    Column(title="TPOT ms", metric="tpot_mean_ms", form=",.2f"),
    _QUALITY,
    Column(title="$/Mtok", metric="cost_usd_per_mtok", form=",.3g"),
    _MEMORY,
)
_IMAGES: Final = (
    Column(title="e2e p50 ms", metric="e2e_p50_ms", form=",.0f"),
    Column(title="e2e p95 ms", metric="e2e_p95_ms", form=",.0f"),
    Column(title="images/s", metric="requests_per_s", form=",.3g"),
    _QUALITY,
    Column(title="$/image", metric="cost_usd_per_image", form=",.3g"),
    _MEMORY,
    Column(title="cold start s", metric="cold_start_s", form=",.1f"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The axes of trade-offs (across, up), and the figures that predictions are checked by."""

    trade_offs: tuple[tuple[Shown, Shown], ...]
    predicted: tuple[Shown, ...]


_TOKEN_CHARTS: Final = Charts(
    trade_offs=((TTFT, THROUGHPUT), (COST, TTFT), (COST, QUALITY)), predicted=(THROUGHPUT, TTFT)
)
_IMAGE_CHARTS: Final = Charts(
    trade_offs=((E2E, REQUESTS), (IMAGE_COST, E2E), (E2E, QUALITY)), predicted=(E2E,)
)


def columns_of(workload: Workload) -> tuple[Column, ...]:
    """The figures in the order of importance."""
    return _TOKENS if workload.image is None else _IMAGES


def columns_for(workload: Workload, ranking: Ranking, *, every: bool = False) -> tuple[Column, ...]:
    """The same, with the share of right guesses and the closeness to the reference (of a picture:
    SSIM of its latents), around quality, where some variant has them; `every` adds what quality
    took of the time."""
    columns = columns_of(workload)
    measured = {name for ranked in ranking.ranked for name in ranked.metrics}
    place = columns.index(_QUALITY)
    return (
        *columns[:place],
        *((_GUESSES,) if _GUESSES.metric in measured else ()),
        _QUALITY,
        *(one for one in (_CLOSENESS, _LATENTS) if one.metric in measured),
        *columns[place + 1 :],
        *((_TIME,) if every and _TIME.metric in measured else ()),
    )


def charts_of(workload: Workload) -> Charts:
    """What is drawn against what."""
    return _TOKEN_CHARTS if workload.image is None else _IMAGE_CHARTS


def choice_word(run: RunRecord) -> str:
    """What the first place is called: a run that has not ended may still find a better one."""
    return "winner" if run.state is RunState.FINISHED else "best so far"


def verdict_text(ranked: Ranked) -> str:
    """`pass`, or `fail: LIMIT; unresolved: LIMIT, LIMIT`; `–` where no limit was set."""
    limits: dict[str, list[str]] = {}
    for found in ranked.verdicts:
        if found.verdict is not Verdict.PASS:
            limits.setdefault(found.verdict.value, []).append(found.constraint.text)
    if not limits:
        return Verdict.PASS.value if ranked.verdicts else UNKNOWN
    return "; ".join(f"{verdict}: {', '.join(texts)}" for verdict, texts in limits.items())


def load_text(workload: Workload) -> str:
    """`8 requests in flight, 128 tokens in, 64 out`, or `…, pictures of 64x64 px, 8 steps`."""
    arrivals = (
        f"{workload.concurrency} requests in flight"
        if workload.rate_rps is None
        else f"{workload.rate_rps:g} requests/s ({workload.arrivals})"
    )
    return f"{arrivals}, {_asked(workload)}"


def _asked(workload: Workload) -> str:
    image = workload.image
    if image is None:
        return f"{workload.input_tokens} tokens in, {workload.output_tokens} out"
    parts = [f"pictures of {image.width_px}x{image.height_px} px"]
    parts += [] if image.steps is None else [f"{image.steps} steps"]
    parts += [] if image.guidance is None else [f"guidance {image.guidance:g}"]
    parts += [] if image.scheduler is None else [image.scheduler.value]
    return ", ".join(parts)
