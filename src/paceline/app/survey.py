"""`paceline plan` without hardware: everything in the tables, predicted, priced and ordered."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import numpy as np

from paceline.app.wiring import Workshop
from paceline.errors import Code, SpecError, reason_of
from paceline.plan.facts import tables
from paceline.plan.facts.models import ShapeFinder, known_shapes
from paceline.plan.facts.tables import Price
from paceline.plan.price import quoted
from paceline.plan.shapes import Shape, read_shape
from paceline.plan.survey.advice import Answer, advice
from paceline.plan.survey.choose import axes_of
from paceline.plan.survey.field import Survey, survey
from paceline.plan.survey.pricing import MARKETS, Quotes, quotes, usual, with_own
from paceline.plan.survey.shown import Candidate, best_of_each_device, candidates, leaders
from paceline.records.hardware import AcceleratorKind
from paceline.records.request import DevicePrice, Request

CONFIG: Final = "config.json"
PRICE_COLUMNS: Final = ("accelerator", "usd_per_device_hour")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Where the accelerators are bought: a file of the user's own rows, and one market or any."""

    file: Path | None = None
    market: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """A survey and what is shown of it."""

    request: Request
    shape: Shape
    survey: Survey
    leaders: tuple[Candidate, ...]
    by_accelerator: tuple[Candidate, ...]
    advice: tuple[Answer, ...]
    prices: Quotes


def survey_request(request: Request, shop: Workshop, prices: Prices) -> Surveyed:
    """Predict everything that could serve the request. Needs no accelerator and no network,
    unless MODEL is a name that only a source knows.

    Raises SpecError for an unknown model, engine, format, accelerator, or a wrong price file.
    """
    shape = shape_of(request.model, shop)
    axes = axes_of(
        shape,
        hardware=request.hardware,
        formats=request.formats,
        engines=request.engines,
    )
    market = read_market(prices.market)
    today = shop.clock.utc_now().date()
    known = (
        known_quotes(prices.file, today)
        if request.price_usd_per_hour is None
        else one_price(request.price_usd_per_hour, market, today)
    )
    found = survey(axes, request, known, market)
    first, best = leaders(found.field), best_of_each_device(found.field)
    shown = candidates(found, request, known, np.concatenate([first, best]), market=market)
    return Surveyed(
        request=request,
        shape=shape,
        survey=found,
        leaders=shown[: len(first)],
        by_accelerator=shown[len(first) :],
        advice=advice(found, request, known),
        prices=known,
    )


def shape_of(name: str, shop: Workshop) -> Shape:
    """A folder or file with a config, a model that ships with Paceline or its tables, or a name
    that a source knows (its config.json is then fetched, not its weights).
    """
    path = Path(name).expanduser()
    if path.is_file():
        return read_shape(_parsed(path))
    if (path / CONFIG).is_file():
        return read_shape(_parsed(path / CONFIG))
    if path.is_dir() or name in {point.name for point in entry_points(group="paceline.models")}:
        return read_shape(_parsed(Path(shop.hub.find(name).folder) / CONFIG))
    shape = known_shapes().get(name)
    if shape is not None:
        return shape
    found = ShapeFinder(known_shapes()).find(name)
    return found if found is not None else _asked_hub(name, shop)


def _asked_hub(name: str, shop: Workshop) -> Shape:
    try:
        folder = shop.hub.preview(name).folder
    except SpecError as error:
        near = _resembling(name) if error.code is Code.UNKNOWN_NAME else None
        if near is None:
            raise
        raise SpecError(
            error.code, error.what, why=error.why, fix=f"did you mean {near!r}?"
        ) from error
    return read_shape(_parsed(Path(folder) / CONFIG))


def _resembling(name: str) -> str | None:
    """The known model whose name, without its owner, begins so or is most like it."""
    by_tail = {_plain(known): known for known in sorted(known_shapes())}
    wanted = _plain(name)
    near = sorted((tail for tail in by_tail if tail.startswith(wanted)), key=len)
    near = near or get_close_matches(wanted, by_tail, n=1)
    return by_tail[near[0]] if near else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.rpartition("/")[2].lower() if letter.isalnum())


def _parsed(path: Path) -> Mapping[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(
            Code.BAD_MODEL,
            f"cannot read {str(path)!r}",
            why=reason_of(error),
            fix="MODEL is a folder with config.json, the file itself, or the name of a model",
        ) from error
    if not isinstance(found, dict):
        raise SpecError(
            Code.BAD_MODEL,
            f"{str(path)!r} is no config",
            why=f"it holds a {type(found).__name__} where an object belongs",
            fix="name a config.json as models have it",
        )
    return found


def read_market(name: str | None) -> str | None:
    """A market by its name. Raises SpecError for one that no price is known of."""
    if name is not None and name not in MARKETS:
        raise SpecError(
            Code.BAD_OPTION,
            f"no market is called {name!r}",
            why=f"prices are known for {', '.join(MARKETS)}",
            fix=f"--market {MARKETS[0]}",
        )
    return name


def known_quotes(file: Path | None, today: date) -> Quotes:
    """Prices as shipped, with the user's own rows in their place. Raises SpecError."""
    own = () if file is None else read_prices(file, today)
    return quotes(with_own(tables.prices(), own), today)


def one_price(usd_per_hour: float, market: str | None, today: date) -> Quotes:
    """What the user gave for every accelerator, wherever it is bought."""
    each = (
        Price(
            accelerator=name,
            provider="own",
            market=market or MARKETS[0],
            usd_per_device_hour=usd_per_hour,
            region="",
            instance="",
            as_of=today.isoformat(),
            source="the request",
        )
        for name in tables.devices()
    )
    return quotes(each, today)


def own_prices(file: Path | None, today: date) -> tuple[DevicePrice, ...]:
    """What the user's rows say of accelerators that are always on. Raises SpecError."""
    rows = () if file is None else read_prices(file, today)
    found = {name: usual(markets) for name, markets in quotes(rows, today).items()}
    return tuple(quoted(quote, name) for name, quote in found.items() if quote is not None)


def read_prices(file: Path, today: date) -> tuple[Price, ...]:
    """The user's rows: `accelerator,usd_per_device_hour`, and if wanted `market` (on-demand),
    `provider`, `region`, `instance`, `as_of` (today), `source`. The accelerator `cpu` is the
    whole processor of this machine.

    Raises SpecError with the line of a row that makes no sense.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_prices(file, str(error)) from error
    missing = [name for name in PRICE_COLUMNS if rows and name not in rows[0]]
    if missing:
        raise _bad_prices(file, f"it lacks the column {missing[0]!r}")
    return tuple(_price(file, number, row, today) for number, row in enumerate(rows, start=2))


def _price(file: Path, line: int, row: Mapping[str, str], today: date) -> Price:
    name = row["accelerator"]
    try:
        price = Price(
            accelerator=name if name == AcceleratorKind.CPU else tables.device(name).name,
            provider=row.get("provider") or "own",
            market=read_market(row.get("market") or MARKETS[0]) or MARKETS[0],
            usd_per_device_hour=float(row["usd_per_device_hour"]),
            region=row.get("region") or "",
            instance=row.get("instance") or "",
            as_of=row.get("as_of") or today.isoformat(),
            source=row.get("source") or file.name,
        )
        quotes([price], today)  # reads the date
    except (ValueError, SpecError) as error:
        raise _bad_prices(file, f"line {line}: {error}") from error
    if not price.usd_per_device_hour > 0:
        raise _bad_prices(file, f"line {line}: {price.usd_per_device_hour} where a price belongs")
    return price


def _bad_prices(file: Path, why: str) -> SpecError:
    return SpecError(
        Code.BAD_INPUT_FILE,
        f"cannot use the prices in {str(file)!r}",
        why=why,
        fix="a CSV with accelerator,usd_per_device_hour and, if wanted,"
        " market,provider,region,instance,as_of,source",
    )
