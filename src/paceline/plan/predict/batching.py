"""From seconds per step to what users see: continuous batching, static batches, queues.

Closed forms and one fixed point; no event simulation, so that 100 000 deployments take well under
a second.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from paceline.plan.predict.columns import Counted
from paceline.plan.predict.deployment import Array, Batch, Load
from paceline.plan.predict.placement import Placement
from paceline.plan.predict.roofline import Step, decode_step, pipelined, prefill

RUN_REQUESTS: Final = 1000.0
"""Requests of a measurement that does not say how many: what the benchmark clients of vLLM and
SGLang send (`--num-prompts`). All wait from the start of an offline load; at a rate beyond capacity
they are what bounds the queue."""
FIXED_POINT_ROUNDS: Final = 8
PREFILL_TOKENS: Final = 1024.0
"""Prompt tokens processed in one pass: engines allow 2048 to 16384, arrivals rarely fill that."""
SLACK: Final = 1.15
"""Sequences beyond the estimate that engines were seen to hold without queueing."""
BLUR: Final = 0.1
"""How uncertain the room for sequences is, as a share of it: queues begin to form before the
estimate is reached and are not certain behind it."""
CLOSED_AHEAD: Final = 0.25
"""Share of the others whose prompts are ahead of one's own in a closed loop. Those of like length
start together and stay bunched: half of them in the first wave, fewer later."""
CLOSED_WAVE: Final = 0.5
"""Share of its steady wait for memory that a closed loop shows: measurements have a few waves, and
the first to be taken and the last to be left do not wait."""
BURST_S: Final = 0.2
"""What opening all connections of a burst at once adds."""
MS: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Physics:
    """What rooflines and queues alone predict, with the terms they came from."""

    out_tok_s: Array
    ttft_ms: Array
    tpot_ms: Array
    running: Array
    """Sequences decoding at once per lane."""
    waiting_share: Array
    """Share of the requests in the system that wait for memory."""
    pressure: Array
    """Requests in the system over those that fit, natural logarithm."""
    decode: Step
    prompt: Step
    prompt_share_s: Array
    """What one more prompt costs when prompts are processed together."""


def physics(batch: Batch, counts: Counted, place: Placement) -> Physics:
    """Throughput, TTFT and TPOT before correction."""
    room = np.maximum(1.0, np.minimum(np.floor(place.sequences), counts.max_sequences))
    offered = _offered(batch, counts, place, room)
    running = np.minimum(offered, room)
    length = np.maximum(1.0, batch.input_tokens)
    prompt = prefill(batch, counts, place, tokens=length, length=length)
    together = np.maximum(length, np.minimum(length * running, PREFILL_TOKENS))
    several = prefill(batch, counts, place, tokens=together, length=length)
    context = np.maximum(1.0, batch.input_tokens + batch.output_tokens / 2.0)
    decode = decode_step(batch, counts, place, sequences=running, context=context)
    prompt_share_s = several.total_s * length / together / pipelined(counts, place)
    decoding_s = batch.output_tokens * decode.total_s
    cycle_s = decoding_s + running * prompt_share_s
    per_lane = running * batch.output_tokens / cycle_s
    waits = running * BLUR * np.logaddexp(0.0, (offered / room - SLACK) / BLUR)
    static = (batch.load == Load.STATIC) | (batch.load == Load.SINGLE)
    tpot_s = decode.total_s + np.where(
        static, 0.0, (running - 1.0) * prompt_share_s / np.maximum(1.0, batch.output_tokens)
    )
    ttft_s = _ttft(batch, counts, running, prompt, prompt_share_s)
    # in a closed loop everyone queues each time round; otherwise only those that did not fit at
    # first, half the drain time on average
    wave = np.where(batch.load == Load.CLOSED, CLOSED_WAVE, 0.5 * waits / offered)
    ttft_s = ttft_s + wave * waits / running * cycle_s
    out_tok_s = per_lane * place.lanes
    rate = np.where(np.isfinite(batch.requests_per_s), batch.requests_per_s, np.inf)
    is_open = batch.load == Load.OPEN
    out_tok_s = np.where(is_open, np.minimum(rate * batch.output_tokens, out_tok_s), out_tok_s)
    return Physics(
        out_tok_s=out_tok_s,
        ttft_ms=ttft_s * MS,
        tpot_ms=tpot_s * MS,
        running=running,
        waiting_share=waits / offered,
        pressure=np.log(offered / room),
        decode=decode,
        prompt=prompt,
        prompt_share_s=prompt_share_s,
    )


def _ttft(
    batch: Batch, counts: Counted, running: Array, prompt: Step, prompt_share_s: Array
) -> Array:
    """Own prompt behind those ahead of it: all of a static batch, half of an offline one."""
    ahead = np.select(
        [batch.load == Load.STATIC, batch.load == Load.OFFLINE], [1.0, 0.5], CLOSED_AHEAD
    )
    connecting_s = np.where(batch.load == Load.BURST, BURST_S, 0.0)
    return (
        counts.request_s + connecting_s + prompt.total_s + ahead * (running - 1.0) * prompt_share_s
    )


def _offered(batch: Batch, counts: Counted, place: Placement, room: Array) -> Array:
    """Requests in the system per lane."""
    stated = np.where(np.isfinite(batch.concurrency), batch.concurrency, 1.0)
    offline = np.where(np.isfinite(batch.concurrency), batch.concurrency, RUN_REQUESTS)
    total = np.where(batch.load == Load.OFFLINE, offline, stated)
    total = np.where(batch.load == Load.SINGLE, 1.0, total)
    offered = np.maximum(1.0, total / place.lanes)
    unsized = (batch.load == Load.OPEN) & ~np.isfinite(batch.concurrency)
    return _open_loop(batch, counts, place, room, offered) if unsized.any() else offered


def _open_loop(
    batch: Batch, counts: Counted, place: Placement, room: Array, offered: Array
) -> Array:
    """Requests in flight at a rate.

    Below capacity the smallest batch that keeps up (Little's law with a step time that grows with
    the batch). Beyond it a fluid queue: what of a run is left when its last request arrives, for
    requests complete at the rate of the full batch from the end of the first cycle on.
    """
    unsized = (batch.load == Load.OPEN) & ~np.isfinite(batch.concurrency)
    rate = np.where(np.isfinite(batch.requests_per_s), batch.requests_per_s, 1e6) / place.lanes
    run = RUN_REQUESTS / place.lanes
    context = np.maximum(1.0, batch.input_tokens + batch.output_tokens / 2.0)
    length = np.maximum(1.0, batch.input_tokens)
    together = np.maximum(length, PREFILL_TOKENS)
    prompt = prefill(batch, counts, place, tokens=together, length=length)
    share_s = prompt.total_s * length / together / pipelined(counts, place)

    def cycle_s(sequences: Array) -> Array:
        step = decode_step(batch, counts, place, sequences=sequences, context=context)
        return batch.output_tokens * step.total_s + sequences * share_s

    most = np.minimum(room, run)
    full_s = cycle_s(most)
    low, high = np.ones_like(offered), most.copy()
    for _ in range(FIXED_POINT_ROUNDS):
        middle = np.sqrt(low * high)
        keeps_up = middle / cycle_s(middle) >= rate
        high, low = np.where(keeps_up, middle, high), np.where(keeps_up, low, middle)
    left = run - most / full_s * np.maximum(0.0, run / rate - full_s)
    held = np.where(rate * full_s > most, left, high)
    return np.where(unsized, np.maximum(1.0, held), offered)
