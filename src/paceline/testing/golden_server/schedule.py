"""When each token of an answer is due: pure arithmetic of the settings."""

import random
from collections.abc import Sequence

from paceline.testing.golden_server.settings import GoldenSettings

NS_PER_MS = 1_000_000


def token_times_ns(
    settings: GoldenSettings,
    *,
    start_ns: int,
    input_tokens: int,
    output_tokens: int,
    in_service: int,
    rng: random.Random,
) -> Sequence[int]:
    """Absolute due times of the chunks of one answer."""
    chunks = -(-output_tokens // settings.tokens_per_chunk)
    first_ms = settings.ttft_ms + settings.prefill_ms_per_token * input_tokens
    gap_ms = settings.itl_ms + settings.itl_ms_per_stream * in_service
    gap_ms *= settings.tokens_per_chunk
    if settings.jitter == 0.0:
        first_ns, gap_ns = int(first_ms * NS_PER_MS), int(gap_ms * NS_PER_MS)
        return [start_ns + first_ns + gap_ns * chunk for chunk in range(chunks)]
    times, at_ns = [], start_ns + int(first_ms * _factor(settings, rng) * NS_PER_MS)
    for _ in range(chunks):
        times.append(at_ns)
        at_ns += int(gap_ms * _factor(settings, rng) * NS_PER_MS)
    return times


def _factor(settings: GoldenSettings, rng: random.Random) -> float:
    """Log-normal with mean one."""
    return rng.lognormvariate(-(settings.jitter**2) / 2, settings.jitter)
