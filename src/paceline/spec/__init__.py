"""Stage 1: text → Request. Flags, a YAML file and plain words, each by a closed grammar."""

from paceline.spec.grammar import parse_budget, parse_constraint
from paceline.spec.read import Asked, RequestText, read_request
from paceline.spec.words import Understood, parse_words
from paceline.spec.workloads import parse_workload

__all__ = [
    "Asked",
    "RequestText",
    "Understood",
    "parse_budget",
    "parse_constraint",
    "parse_words",
    "parse_workload",
    "read_request",
]
