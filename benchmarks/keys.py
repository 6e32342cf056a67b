"""Does the time to look up a key tell anything of the keys there are?

    python benchmarks/keys.py [ROUNDS]

The gateway's own function is timed for keys that nobody has, which share their first 0, 8, 32 or 60
of 64 hex digits with a live key, and for the live ones, interleaved in random order. A round gives
one median per group, the rounds its time and standard error. The exit code is 1 when two groups of
unknown keys differ by over 2 % and beyond chance. Live keys may differ: they are not refused.
"""

import asyncio
import gc
import os
import platform
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Final

from paceline.deploy.compiled import use_compiled

COMPILED: Final = use_compiled()  # before the gateway is imported

from paceline.deploy.gateway.dispatch import Dispatcher  # noqa: E402
from paceline.deploy.gateway.exchange import Exchange  # noqa: E402
from paceline.deploy.gateway.fleet import Fleet  # noqa: E402
from paceline.deploy.gateway.front import Front  # noqa: E402
from paceline.deploy.gateway.heads import Head, Request  # noqa: E402
from paceline.deploy.gateway.problems import Problem  # noqa: E402
from paceline.deploy.gateway.settings import GatewaySettings  # noqa: E402
from paceline.deploy.gateway.sockets import Sockets  # noqa: E402
from paceline.deploy.gateway.spool import Spool  # noqa: E402
from paceline.records.gateway import Table  # noqa: E402
from paceline.testing.gateway import key_rule  # noqa: E402

DIGITS, SHARED, LIVE = 64, (0, 8, 32, 60), "live"
KEYS, ROUNDS = 1_000, 60
CHANCE: Final = 4.0
"""Standard errors: of the six pairs, one is beyond them by chance in about a thousand runs."""
MOST_SHARE: Final = 0.02


def main() -> int:
    """Print a table for docs/log.md."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    rng = random.Random(1)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as folder:
        live = ["pl_live_" + secrets.token_hex(DIGITS // 2) for _ in range(KEYS)]
        front = asyncio.run(a_front(Path(folder), live))
        groups = {f"unknown, shares {n}": [alike(key, n) for key in live] for n in SHARED}
        groups[LIVE] = live
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
            f" {'compiled' if COMPILED else 'interpreted'}, {datetime.now(UTC):%Y-%m-%d};"
            f" {rounds} rounds of {KEYS:,} keys per group, load average {os.getloadavg()[0]:.1f}"
        )
        took = [one_round(front, groups, rng) for _ in range(rounds + 1)][1:]  # one to warm up
    return judged({name: [one[name] for one in took] for name in groups})


async def a_front(folder: Path, keys: Sequence[str]) -> Front:
    """A gateway without sockets that knows these keys."""
    settings, fleet = GatewaySettings(control=folder / "c", state=folder), Fleet[Exchange]()
    sockets = Sockets(stays=False)
    dispatcher = Dispatcher(settings, Spool(folder), fleet, lambda _: None, sockets)
    rules = tuple(key_rule(key) for key in keys)
    fleet.follow(Table(revision=1, endpoints=(), keys=rules), now_s=0.0, wall_s=0.0)
    return Front(settings, fleet, dispatcher)


def alike(key: str, digits: int) -> str:
    """A key that nobody has, and that begins like this one."""
    at = len(key) - DIGITS + digits
    return key[:at] + f"{int(key[at], 16) ^ 1:x}" + secrets.token_hex(32)[: DIGITS - digits - 1]


def one_round(front: Front, groups: dict[str, list[str]], rng: random.Random) -> dict[str, float]:
    """The median of each group (ns)."""
    asked = [(name, key) for name, keys in groups.items() for key in keys]
    rng.shuffle(asked)
    headers = [{b"authorization": b"Bearer " + key.encode()} for _, key in asked]
    heads = [Head(b"POST", b"/", one, http_1_0=False) for one in headers]
    took: dict[str, list[int]] = {name: [] for name in groups}
    who, clock = front._who, time.perf_counter_ns  # noqa: SLF001 - what every request goes through
    gc.disable()
    for (name, _), head in zip(asked, heads, strict=True):
        request, began = Request(head, b"", 0), clock()
        found = who(request)
        took[name].append(clock() - began)
        assert isinstance(found, Problem) is (name != LIVE), name  # noqa: S101
    gc.enable()
    return {name: float(median(times)) for name, times in took.items()}


def judged(rounds: dict[str, list[float]]) -> int:
    """Print the groups and the largest difference; the exit code."""
    print("| keys | median ns | standard error ns |\n|---|---|---|")
    for name, times in rounds.items():
        print(f"| {name} | {fmean(times):.0f} | {stdev(times) / len(times) ** 0.5:.1f} |")
    unknown = [times for name, times in rounds.items() if name != LIVE]
    differs, largest = False, 0.0
    for one, other in combinations(unknown, 2):
        apart = [a - b for a, b in zip(one, other, strict=True)]
        error, share = stdev(apart) / len(apart) ** 0.5, abs(fmean(apart)) / fmean(one)
        differs |= abs(fmean(apart)) > CHANCE * error and share > MOST_SHARE
        largest = max(largest, share)
    verdict = "a difference" if differs else "no difference beyond chance and 2 %"
    print(f"largest difference between unknown keys: {largest:.2%}; {verdict}")
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
