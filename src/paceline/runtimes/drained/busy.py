"""What a `/metrics` page says about work in flight."""

from collections.abc import Sequence


def in_flight(page: str, names: Sequence[str]) -> float:
    """The sum of the named metrics; names that the page lacks count as zero."""
    total = 0.0
    for line in page.splitlines():
        name, _, value = line.partition(" ")
        if name.partition("{")[0] in names:
            total += float(value.split()[0])
    return total
