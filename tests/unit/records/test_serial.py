"""What goes out comes back equal; what does not belong is refused with its path."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pytest

from paceline.records.launch import Cause
from paceline.records.measurement import Interval, Metric
from paceline.records.request import Budget
from paceline.records.serial import (
    SCHEMA_VERSION,
    Malformed,
    NewerSchema,
    canonical,
    dump,
    load,
    pack,
    unpack,
)
from paceline.records.variant import Rejection, RejectionReason, Scalar, Variant
from paceline.units import Seconds

VARIANT = Variant(
    accelerator="cpu",
    count=1,
    format="int8",
    engine="openvino",
    knobs=(("batch", 8), ("cache", True), ("share", 0.5), ("mode", "x"), ("whole", 1.0)),
)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """One field of every kind that records are made of."""

    flag: bool
    count: int
    share: float
    text: str
    maybe: float | None
    scalar: Scalar
    pair: tuple[str, int]
    many: tuple[Interval, ...]
    by_name: Mapping[str, Interval | None]
    by_colour: Mapping[Colour, int]
    later: str = "default"


EVERYTHING = Everything(
    flag=True,
    count=-3,
    share=0.1,
    text="ä\x00\ud800 'quote'",
    maybe=None,
    scalar="red",
    pair=("a", 2**70),
    many=(Interval(lo=1.0, hi=2.5),),
    by_name={"p95": Interval(lo=0.0, hi=1e-300), "p99": None},
    by_colour={Colour.RED: 1},
)


@pytest.mark.parametrize(
    "record",
    [
        EVERYTHING,
        VARIANT,
        Rejection(variant=VARIANT, reason=RejectionReason.DOES_NOT_FIT, detail="", have="1 GiB"),
        Budget(seconds=Seconds(600.0)),
        Metric(value=1.5, unit="ms", ci95=None, n=3),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_went_out_comes_back_equal(record: object) -> None:
    text = pack(record)
    assert unpack(type(record), text) == record
    assert pack(unpack(type(record), text)) == text


def test_knob_values_keep_their_types() -> None:
    back = load(Variant, json.loads(canonical(dump(VARIANT))))
    assert [type(value) for _, value in back.knobs] == [int, bool, float, str, float]
    assert back.id == VARIANT.id


def test_a_float_field_that_was_given_an_int_is_written_as_a_float() -> None:
    assert canonical(dump(Interval(lo=1, hi=2))) == '{"hi":2.0,"lo":1.0}'


def test_subclasses_of_plain_types_become_plain() -> None:
    stored = dump(Metric(value=np.float64(0.25), unit=Cause.CRASHED, ci95=None, n=1))
    assert stored == {"value": 0.25, "unit": "crashed", "ci95": None, "n": 1}
    assert type(stored["value"]) is float
    assert type(stored["unit"]) is str


def test_a_field_added_with_a_default_reads_old_records() -> None:
    stored = dump(EVERYTHING)
    del stored["later"]
    assert load(Everything, stored) == EVERYTHING


def test_order_of_keys_does_not_change_the_text() -> None:
    assert canonical({"b": 1, "a": [{"d": 2, "c": 3}]}) == '{"a":[{"c":3,"d":2}],"b":1}'


@pytest.mark.parametrize(
    ("change", "path", "because"),
    [
        ({"flag": 1}, "$.flag", "int '1' where bool belongs"),
        ({"count": True}, "$.count", "bool 'True' where int belongs"),
        ({"count": 1.0}, "$.count", "float '1.0' where int belongs"),
        ({"share": "0.1"}, "$.share", "str '0.1' where float belongs"),
        ({"share": None}, "$.share", "null where float belongs"),
        ({"text": 7}, "$.text", "int '7' where str belongs"),
        ({"maybe": "x"}, "$.maybe", "str 'x' where float belongs"),
        ({"scalar": None}, "$.scalar", "null where bool or int or float or str belongs"),
        ({"pair": ["a"]}, "$.pair", "1 entries where 2 belong"),
        ({"pair": {"a": 1}}, "$.pair", "dict \"{'a': 1}\" where list belongs"),
        ({"many": [{"lo": 1.0}]}, "$.many[0].hi", "missing"),
        ({"by_name": {"p95": []}}, "$.by_name.p95", "list '[]' where dict belongs"),
        ({"by_colour": {"blue": 1}}, "$.by_colour", "'blue' is none of 'red'"),
        ({"stranger": 1}, "$.stranger", "Everything has no such field"),
        ({"share": math.inf}, "$.share", "inf is no JSON number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_belong_is_refused_with_its_path(
    change: dict[str, object], path: str, because: str
) -> None:
    with pytest.raises(Malformed) as caught:
        load(Everything, {**dump(EVERYTHING), **change})
    assert (caught.value.path, caught.value.because) == (path, because)


def test_nan_is_refused_on_the_way_out() -> None:
    with pytest.raises(Malformed, match=r"\$\.share: nan"):
        dump(replace(EVERYTHING, share=math.nan))


def test_numpy_integers_are_refused_with_their_path() -> None:
    with pytest.raises(Malformed, match=r"\$\.n: int64"):
        dump(Metric(value=1.0, unit="", ci95=None, n=np.int64(3)))  # type: ignore[arg-type]


def test_a_newer_schema_is_told_apart_from_damage() -> None:
    text = canonical({**dump(VARIANT), "schema_version": SCHEMA_VERSION + 1, "new": 1})
    with pytest.raises(NewerSchema) as caught:
        unpack(Variant, text)
    assert caught.value.stored == SCHEMA_VERSION + 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version":"1"}'])
def test_text_that_is_no_packed_record_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        unpack(Variant, text)


def test_a_type_that_cannot_be_stored_is_named() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Live:
        names: set[str]

    with pytest.raises(TypeError, match="set"):
        dump(Live(names=set()))
