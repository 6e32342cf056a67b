"""Does the gateway's memory stay flat under many streams for a long time?

    python benchmarks/gateway_soak.py [--duration-s 3600] [--streams 1000] [--events-per-s 50]

Every stream brings 30 s of events, ends, and is asked for again on its connection; a few whole
answers and aborted streams run beside them. The gateway's resident memory is read every 10 s. The
verdict is by the slope of a straight line through the samples behind the first fifth:

- `flat`: the slope and twice its standard error stay below 2 % of the memory per hour;
- `grows`: the slope less twice its standard error is above that, and what it added while it was
  watched is over 2 % too (a heap settles for minutes); the exit code is 1;
- `unresolved`: neither; run it for longer.

The standard error takes neighbouring samples as alike as they are. Any stream that breaks ends the
run. With half a core per 50,000 events/s for the gateway, the engine and the client need another.
"""

import argparse
import http.client
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from gateway_load import BODY, HEADERS, Streams
from gateway_peers import leave_alone, paceline
from paceline.testing.gateway import CHAT
from paceline.testing.golden_server.launch import golden_server

LOOK_S = 10.0
STREAM_S = 30
WARM_SHARE = 0.2
MOST_GROWTH_PER_H = 0.02
MIB = 2**20
S_PER_H = 3_600
FEWEST_SAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class Slope:
    """MiB per hour, with its standard error."""

    mib_per_h: float
    error_mib_per_h: float

    def verdict(self, most_mib_per_h: float, watched_h: float) -> str:
        """Whether it is below the most that is called flat."""
        if self.mib_per_h + 2 * self.error_mib_per_h < most_mib_per_h:
            return "flat"
        least_mib_per_h = self.mib_per_h - 2 * self.error_mib_per_h
        if least_mib_per_h * min(watched_h, 1.0) > most_mib_per_h:
            return "grows"
        return "unresolved"


def main() -> int:
    """Run, print a line per look and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration-s", type=float, default=3_600.0)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--events-per-s", type=float, default=50.0)
    options = parser.parse_args()
    at_s, rss_mib = watched(options.duration_s, options.streams, options.events_per_s)
    warm = at_s >= options.duration_s * WARM_SHARE
    if warm.sum() < FEWEST_SAMPLES:
        print(f"unresolved: {warm.sum()} samples, at least {FEWEST_SAMPLES} are needed")
        return 0
    slope = slope_of(at_s[warm], rss_mib[warm])
    most = float(MOST_GROWTH_PER_H * np.median(rss_mib[warm]))
    said = slope.verdict(most, float(np.ptp(at_s[warm])) / S_PER_H)
    print(
        f"{said}: {slope.mib_per_h:+.2f} MiB/h, standard error {slope.error_mib_per_h:.2f}, "
        f"at most {most:.2f}; {rss_mib[warm].min():.1f} to {rss_mib[warm].max():.1f} MiB"
    )
    return int(said == "grows")


def watched(
    duration_s: float, streams: int, events_per_s: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Seconds and MiB of each look."""
    looks: list[tuple[float, float]] = []
    pace = ("--ttft-ms", "50", "--itl-ms", str(1_000 / events_per_s))
    with tempfile.TemporaryDirectory() as folder, golden_server(*pace) as golden:
        leave_alone(psutil.Process(golden.process.pid))
        with paceline(Path(folder), int(golden.url.rsplit(":", 1)[1])) as gateway:
            held = Streams(gateway.port, streams, round(events_per_s * STREAM_S))
            began_s, before_cpu_s = time.monotonic(), gateway.cpu_s()
            while (passed_s := time.monotonic() - began_s) < duration_s:
                events = held.count(min(LOOK_S, duration_s - passed_s))
                others(gateway.port)
                cpu_s = gateway.cpu_s()
                looks.append((time.monotonic() - began_s, gateway.memory_bytes() / MIB))
                share = (cpu_s - before_cpu_s) / (looks[-1][0] - passed_s)
                before_cpu_s = cpu_s
                print(
                    f"{looks[-1][0]:6.0f} s {looks[-1][1]:7.1f} MiB {held.ended:7d} streams ended, "
                    f"{events} events, {share:.0%} of a core",
                    flush=True,
                )
            held.close()
    at_s, rss_mib = np.array(looks).T
    return at_s, rss_mib


def others(port: int) -> None:
    """What a gateway meets beside streams: whole answers, refusals, clients that leave."""
    short = BODY.replace('"max_tokens": 40', '"max_tokens": 2')
    for body in (short, "{}", BODY.replace('"stream": false', '"stream": true')):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", CHAT, body, HEADERS)
        answer = connection.getresponse()
        answer.read(100)  # and leave in the middle, of a stream
        connection.close()


def slope_of(at_s: npt.NDArray[np.float64], rss_mib: npt.NDArray[np.float64]) -> Slope:
    """Least squares; the error is widened by the correlation of neighbouring residuals (AR(1))."""
    hours = (at_s - at_s.mean()) / S_PER_H
    slope = float(hours @ rss_mib / (hours @ hours))
    rest = rss_mib - rss_mib.mean() - slope * hours
    variance = float(rest @ rest) / (len(rest) - 2) / float(hours @ hours)
    if not variance:
        return Slope(mib_per_h=slope, error_mib_per_h=0.0)
    alike = min(max(float(rest[1:] @ rest[:-1] / (rest @ rest)), 0.0), 0.95)
    return Slope(mib_per_h=slope, error_mib_per_h=(variance * (1 + alike) / (1 - alike)) ** 0.5)


if __name__ == "__main__":
    sys.exit(main())
