"""What a replica's measured pace says about sharing the same traffic between fewer of them."""

import itertools
import math

from paceline.records.scaling import Replica


def pace_ms(replica: Replica, in_flight: float) -> float:
    """Time per output token with `in_flight` requests, between the measured points."""
    points = replica.service
    if in_flight <= points[0].concurrency:
        return points[0].tpot_ms
    for low, high in itertools.pairwise(points):
        if in_flight <= high.concurrency:
            share = (in_flight - low.concurrency) / (high.concurrency - low.concurrency)
            return low.tpot_ms + share * (high.tpot_ms - low.tpot_ms)
    return points[-1].tpot_ms


def load_on(replica: Replica, load: float, *, now: int, then: int) -> float:
    """Requests in flight on `then` replicas of the traffic that keeps `load` in flight on `now`.

    More than in proportion: with more in flight each request takes longer and stays longer. By
    Little's law each of them answers `x ÷ pace(x)`, in proportion, with `x` in flight; the `x` is
    sought that answers the same traffic. Infinite when they cannot.
    """
    if load <= 0:
        return 0.0
    each = load / now
    wanted = each / pace_ms(replica, each) * now / then
    low, high = 0.0, float(replica.concurrency)
    if high / pace_ms(replica, high) < wanted:
        return math.inf
    for _ in range(20):  # halving: to a millionth of the concurrency
        middle = (low + high) / 2
        if middle / pace_ms(replica, middle) < wanted:
            low = middle
        else:
            high = middle
    return high * then
