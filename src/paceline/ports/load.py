"""The LoadGenerator port: what sends requests and times the answers."""

from collections.abc import Callable
from typing import Protocol

from paceline.records.load import LoadProgress, LoadResult, Probe, Target
from paceline.records.load_plan import LoadPlan

OnProgress = Callable[[LoadProgress], None]
"""Called a few times per second from the calling thread while the load runs."""

Stop = Callable[[], bool]
"""Asked as often; true ends the load early and keeps its samples."""


class LoadGenerator(Protocol):
    """A client that executes a load plan against one endpoint and is honest about itself."""

    @property
    def name(self) -> str:
        """`openai_http` …"""
        ...

    def probe(self, target: Target, plan: LoadPlan) -> Probe:
        """Ask once or twice before the load; what is wrong with an endpoint shows here.

        Raises SetupError: unreachable, refuses the key, answers with an error or with something
        else than the route promises. Raises SpecError: no such model, no URL, nothing to send.
        """
        ...

    def run(
        self,
        target: Target,
        plan: LoadPlan,
        *,
        probe: Probe | None = None,
        on_progress: OnProgress | None = None,
        stop: Stop | None = None,
    ) -> LoadResult:
        """Execute the plan and block until every answer came, failed or ran out of time.

        Probes first when no `probe` is given, and raises what that raises. Failures of single
        requests are samples, never errors.
        """
        ...
