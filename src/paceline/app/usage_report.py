"""What was used, as it is shown: the account of requests beside their time on accelerators."""

from collections.abc import Sequence
from dataclasses import dataclass

from paceline.app.accelerator_time import DeviceTime, device_time_document, device_times
from paceline.app.wiring import Workshop
from paceline.records.usage import UsageBy, UsageTotal
from paceline.units import MS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What the requests of one group were, and what they had of accelerators."""

    total: UsageTotal
    times: Sequence[DeviceTime] = ()


def used(shop: Workshop, *, by: UsageBy, since_s: float) -> tuple[Used, ...]:
    """By group, those included whose replicas had no request."""
    totals = {one.group: one for one in shop.store.access.usage(by=by, since_s=since_s)}
    times = device_times(shop, by=by, since_s=since_s)
    return tuple(
        Used(total=totals.get(group) or UsageTotal(group=group), times=times.get(group, ()))
        for group in sorted({*totals, *times})
    )


def usage_document(found: Used) -> dict[str, object]:
    """One group as JSON."""
    total = found.total
    return {
        "group": total.group,
        "requests": {
            "all": total.requests,
            "ok": total.ok,
            "aborted": total.aborted,
            "failed": total.failed,
            "rejected": total.rejected,
            "refused": total.refused,
            "unknown": total.unknown,
        },
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "images": total.images,
        "seconds": {
            "queue": round(total.queue_s, 3),
            "cold": round(total.cold_s, 3),
            "execution": round(total.execution_s, 3),
        },
        "ttft_mean_ms": None if total.ttft_mean_s is None else total.ttft_mean_s * MS_PER_S,
        "usd": total.usd,
        "accelerators": [device_time_document(time) for time in found.times],
    }
