"""The texts: documents about many small subjects, and queries that are near to some of them.

Made of every subject in every situation, so that each query has near, half-near and far documents
and a small change of the vectors changes the ranking.
"""

from itertools import product
from typing import Final

_SUBJECTS: Final = (
    "an electric bicycle", "a sourdough loaf", "a rented flat", "a garden pond", "a violin",
    "a savings account", "a train ticket", "a vaccination", "a tax return", "a puppy",
    "a solar panel", "a camping tent",
)  # fmt: skip
_DOCUMENTS: Final = (
    "How much {0} costs and what makes it cheaper.",
    "What to check before choosing {0}.",
    "Why problems with {0} happen and how to solve them.",
    "What the law says about {0}.",
    "How to look after {0} so that it lasts.",
    "A short history of {0}, from the first to the present day.",
)
_QUERIES: Final = (
    "price of {0}",
    "something is wrong with {0}, what now?",
    "tips for keeping {0} in good condition",
)


def documents() -> tuple[str, ...]:
    """What is searched."""
    return tuple(text.format(subject) for subject, text in product(_SUBJECTS, _DOCUMENTS))


def queries() -> tuple[str, ...]:
    """What is searched for."""
    return tuple(text.format(subject) for subject, text in product(_SUBJECTS, _QUERIES))
