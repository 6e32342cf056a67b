"""Which variant to measure next, for how long, and when to stop."""

from paceline.plan.search.estimate import Estimate, estimate, expected_s
from paceline.plan.search.rules import RULES, Pruned, Rules, Step, Stop
from paceline.plan.search.step import Known, next_step, stays

__all__ = [
    "RULES",
    "Estimate",
    "Known",
    "Pruned",
    "Rules",
    "Step",
    "Stop",
    "estimate",
    "expected_s",
    "next_step",
    "stays",
]
