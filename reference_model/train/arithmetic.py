"""Small arithmetic with the steps written out; the last line is the result.

Covers whole numbers below 1,000. The operands of a question are its key, in any order, so a
sum that the suite asks was never trained on in any wording.
"""

from train.exchange import Draw, Exchange

_ASKS = ("What is {x}?", "{x} = ?", "How much is {x}?", "Work out {x}.")
_THINGS = ("apples", "coins", "books", "stones", "eggs", "cups")


def add(draw: Draw) -> Exchange:
    """Two numbers of two digits: ones, tens, sum."""
    a, b = draw.rng.randrange(10, 100), draw.rng.randrange(10, 100)
    ones, tens = a % 10 + b % 10, a - a % 10 + b - b % 10
    steps = f"{a % 10}+{b % 10}={ones}, {a - a % 10}+{b - b % 10}={tens}, {tens}+{ones}={a + b}"
    asks = (*_ASKS, "{n} has {a} {t} and finds {b} more. How many {t} does {n} have now?")
    return _exchange(draw, " + ", (a, b), asks=asks, steps=steps, result=a + b)


def subtract(draw: Draw) -> Exchange:
    """Two numbers of two digits, the result not negative: tens first, then ones."""
    a = draw.rng.randrange(20, 100)
    b = draw.rng.randrange(10, a + 1)
    tens, ones = b - b % 10, b % 10
    steps = f"{a}-{tens}={a - tens}, {a - tens}-{ones}={a - b}"
    asks = (*_ASKS, "{n} has {a} {t} and loses {b}. How many {t} does {n} have now?")
    return _exchange(draw, " - ", (a, b), asks=asks, steps=steps, result=a - b)


def multiply(draw: Draw) -> Exchange:
    """One digit times two digits: tens, ones, sum."""
    a, b = draw.rng.randrange(2, 10), draw.rng.randrange(11, 100)
    tens, ones = b - b % 10, b % 10
    steps = f"{a}*{tens}={a * tens}, {a}*{ones}={a * ones}, {a * tens}+{a * ones}={a * b}"
    asks = (*_ASKS, "{n} fills {a} bags with {b} {t} each. How many {t} is that?")
    return _exchange(draw, " * ", (a, b), asks=asks, steps=steps, result=a * b)


def add_three(draw: Draw) -> Exchange:
    """Three numbers below 20, from left to right."""
    a, b, c = (draw.rng.randrange(2, 20) for _ in range(3))
    steps = f"{a}+{b}={a + b}, {a + b}+{c}={a + b + c}"
    return _exchange(draw, " + ", (a, b, c), asks=_ASKS, steps=steps, result=a + b + c)


def next_in_row(draw: Draw) -> Exchange:
    """The next number of a row with a fixed step."""
    start, step = draw.rng.randrange(1, 40), draw.rng.randrange(2, 13)
    a, b, c, d = (start + step * index for index in range(4))
    return Exchange(
        ask=f"Which number comes next: {a}, {b}, {c}?",
        reply=f"{b}-{a}={step}, {c}+{step}={d}\n{d}",
        answer=str(d),
        scorer="number",
        key=f"row|{start}|{step}",
    )


def _add_steps(a: int, b: int) -> str:
    ones, tens = a % 10 + b % 10, a + b - a % 10 - b % 10
    return f"{a % 10}+{b % 10}={ones}, {a - a % 10}+{b - b % 10}={tens}, {tens}+{ones}={a + b}"


def _exchange(
    draw: Draw,
    sign: str,
    operands: tuple[int, ...],
    *,
    asks: tuple[str, ...],
    steps: str,
    result: int,
) -> Exchange:
    ask = draw.pick(asks).format(
        x=sign.join(map(str, operands)),
        a=operands[0],
        b=operands[1],
        n=draw.name(),
        t=draw.pick(_THINGS),
    )
    return Exchange(
        ask=ask,
        reply=f"{steps}\n{result}",
        answer=str(result),
        scorer="number",
        key=sign.join(map(str, sorted(operands))),
    )
