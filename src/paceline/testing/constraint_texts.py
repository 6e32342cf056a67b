"""Texts of the constraint grammar drawn at random, for tests of whatever reads them."""

import random

from paceline.spec.metrics import METRICS

OPERATORS = ("<=", "<", ">=", ">", "≤", "≥")


def a_constraint_text(chance: random.Random) -> str:
    """A constraint that the grammar allows, in any of its units and spellings."""
    spec = chance.choice(list(METRICS.values()))
    relative = spec.relative and chance.random() < 0.2
    unit = "x" if relative else chance.choice(list(spec.units))
    ceiling = None if relative else (spec.ceilings or {}).get(spec.units[unit].base)
    greatest = (
        10.0 ** chance.randint(0, 6) if ceiling is None else ceiling / spec.units[unit].factor
    )
    number = chance.uniform(0.001, 0.99) * greatest
    statistic = chance.choice(spec.statistics) if spec.statistics else ""
    space = chance.choice(["", " "])
    operator = chance.choice(OPERATORS)
    text = f"{spec.name} {statistic}{space}{operator}{space}{number:.6g}{space}{unit}"
    return chance.choice([text, text.upper(), f"  {text} "])
