"""What the gateway saw up to one moment: all that an autoscaler may know about traffic."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The last minute in buckets of one second, oldest first; shorter after a start.

    `serving` and `waiting` hold the mean of requests in flight and of those queued at the gateway
    in each second, `arrivals` and `ended` how many came and left a replica. `waits_s` are of the
    last 15 s: how long each request that got a replica had been queued, and for those still queued
    how long they have been so far.
    """

    serving: tuple[float, ...]
    waiting: tuple[float, ...]
    arrivals: tuple[int, ...]
    ended: tuple[int, ...]
    waits_s: tuple[float, ...]
    in_flight: int
    """Now, open streams included."""
    queued: int
    """Now, at the gateway."""

    @property
    def present(self) -> int:
        """Requests that want an answer now."""
        return self.in_flight + self.queued

    @property
    def quiet(self) -> bool:
        """Whether nothing wants an answer now nor did since a decision two seconds ago."""
        return not (self.present or any(self.serving[-2:]) or any(self.arrivals[-2:]))

    @property
    def service_s(self) -> float | None:
        """Mean time in a replica by Little's law; `None` when none left one in the window."""
        ended = sum(self.ended)
        return sum(self.serving) / ended if ended else None
