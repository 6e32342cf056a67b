"""From the files of all client processes to one table of samples and one account of the client."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from paceline.adapters.load.openai_http.recorder import ROW_FIELDS
from paceline.records.load import ClientHealth
from paceline.records.load_plan import LoadPlan
from paceline.records.measurement import Stat
from paceline.records.samples import SampleTable
from paceline.stats import quantile
from paceline.units import MS_PER_S


def read_samples(folders: Sequence[Path]) -> SampleTable:
    """All requests of all processes, in order of their schedule.

    Of a process that died, those that it had written whole.
    """
    parts = [_read_part(folder) for folder in folders]
    rows = np.concatenate([part[0] for part in parts])
    chunks = np.concatenate([part[1] for part in parts])
    order = np.lexsort((rows["index"], rows["scheduled_s"]))
    starts = np.concatenate([[0], np.cumsum(rows["chunks"])])[:-1]
    counts = rows["chunks"][order]
    chunk_start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    # Where each chunk of the sorted table comes from: its request's start plus its place in it.
    place = np.arange(int(chunk_start[-1])) - np.repeat(chunk_start[:-1], counts)
    chunk_us = chunks[np.repeat(starts[order], counts) + place]
    details: dict[int, str] = {}
    for folder in folders:
        path = folder / "details.json"
        found = json.loads(path.read_text()) if path.exists() else {}
        details |= {int(index): text for index, text in found.items()}
    rows = rows[order]
    row_of = {int(index): row for row, index in enumerate(rows["index"]) if int(index) in details}
    columns = {name: np.ascontiguousarray(rows[name]) for name, _ in ROW_FIELDS if name != "chunks"}
    return SampleTable(
        **columns,
        chunk_start=chunk_start,
        chunk_us=chunk_us,
        details={row_of[index]: details[index] for index in sorted(details)},
    )


def _read_part(folder: Path) -> tuple[npt.NDArray[np.void], npt.NDArray[np.uint32]]:
    """Rows and chunk times of one process; rows without all of their chunks are left out."""
    row = np.dtype(list(ROW_FIELDS))
    whole = (folder / "rows.bin").stat().st_size // row.itemsize
    rows = np.fromfile(folder / "rows.bin", dtype=row, count=whole)
    chunks = np.fromfile(folder / "chunks.bin", dtype=np.uint32)
    ends = np.cumsum(rows["chunks"])
    kept = int(np.searchsorted(ends, len(chunks), side="right"))
    return rows[:kept], chunks[: int(ends[kept - 1]) if kept else 0]


def read_tallies(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """What each process counted, as `share.ShareRun` wrote it; one that died left none."""
    paths = [folder / "tally.json" for folder in folders]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def health_of(
    tallies: Sequence[dict[str, Any]],
    samples: SampleTable,
    plan: LoadPlan,
    *,
    parent_cpu_s: float,
    deaths: tuple[int, ...],
) -> ClientHealth:
    """The account of the client over all processes; their series are pooled."""
    window_s = max((tally["window_s"] for tally in tallies), default=0.0)
    none = np.empty(0)
    lags_ms = np.concatenate([none, *(tally["lags_s"] for tally in tallies)]) * MS_PER_S
    skews_ms = np.concatenate([none, *(tally["skews_s"] for tally in tallies)]) * MS_PER_S
    processes = len(tallies) + len(deaths)
    return ClientHealth(
        processes=processes,
        deaths=deaths,
        cores=min(processes, len(os.sched_getaffinity(0))),
        cpu_s=sum(tally["cpu_s"] for tally in tallies) + parent_cpu_s,
        window_cpu_s=sum(tally["window_cpu_s"] for tally in tallies),
        window_s=window_s,
        loop_lag_ms=_stat(lags_ms),
        send_skew_ms=_stat(skews_ms),
        offered_rps=_rate(samples.scheduled_s[samples.turn == 0]) if plan.open_loop else None,
        achieved_rps=_rate(samples.sent_s[samples.turn == 0]) or 0.0,
        held=sum(tally["held"] for tally in tallies),
        connections_opened=sum(tally["opened"] for tally in tallies),
        retried=sum(tally["retried"] for tally in tallies),
        kernel_stamps=any(tally["kernel_stamps"] for tally in tallies),
    )


def _rate(times_s: npt.NDArray[np.float64]) -> float | None:
    """Events per second from the first to the last, `None` for fewer than two."""
    times_s = times_s[~np.isnan(times_s)]
    span_s = float(times_s.max() - times_s.min()) if len(times_s) else 0.0
    return (len(times_s) - 1) / span_s if span_s > 0 else None


def _stat(values: npt.NDArray[np.float64]) -> Stat:
    """Without intervals: this describes one client, it estimates nothing."""
    if not len(values):
        return Stat(mean=None, p50=None, p90=None, p95=None, p99=None, max=None, n=0, ci95={})
    return Stat(
        mean=float(np.mean(values)),
        p50=quantile(values, 0.50),
        p90=quantile(values, 0.90),
        p95=quantile(values, 0.95),
        p99=quantile(values, 0.99),
        max=float(np.max(values)),
        n=len(values),
        ci95={},
    )
