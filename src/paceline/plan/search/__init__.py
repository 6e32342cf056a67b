"""Which variant to measure next, for how long, and when to stop."""

from paceline.plan.search.combine import plain
from paceline.plan.search.estimate import estimate, expected_s
from paceline.plan.search.rules import RULES, Pruned, Rules, Step, Stop
from paceline.plan.search.step import CONTAGIOUS, Known, next_step, stays

__all__ = [
    "CONTAGIOUS",
    "RULES",
    "Known",
    "Pruned",
    "Rules",
    "Step",
    "Stop",
    "estimate",
    "expected_s",
    "next_step",
    "plain",
    "stays",
]
