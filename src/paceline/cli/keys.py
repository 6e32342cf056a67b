"""`paceline keys`: create, list, rotate, revoke."""

from typing import Annotated, Final

import typer

from paceline.app.keys import KeyOrder, NewKey, create_key, revoke_key, rotate_key, shown_state
from paceline.app.limits import limits_document, limits_words
from paceline.app.wiring import Workshop
from paceline.cli.output import print_json, print_table
from paceline.errors import Code, SpecError
from paceline.records.access import ApiKey, Purpose, UseLimits
from paceline.units import parse_duration_s

app = typer.Typer(rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
KNOWN_WITHIN: Final = "a running `paceline serve` knows it within 1 s"
KeyId = Annotated[str, typer.Argument(help="An id from `paceline keys list`.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what it is for, in your words.")],
    admin: Annotated[
        bool, typer.Option("--admin", help="For the management API; opens no endpoint.")
    ] = False,
    endpoint: Annotated[
        list[str] | None, typer.Option(help="Only these endpoints (repeatable); default all.")
    ] = None,
    workspace: Annotated[str, typer.Option(help="Where it belongs.")] = "default",
    expires: Annotated[str | None, typer.Option(help="Lifetime, e.g. 30d or 12h.")] = None,
    requests_per_min: Annotated[int | None, typer.Option(help="Most requests a minute.")] = None,
    tokens_per_min: Annotated[
        int | None, typer.Option(help="Most tokens a minute, in and out.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(help="Most requests at once.")] = None,
    monthly_budget: Annotated[
        float | None, typer.Option(help="USD a calendar month; then 402.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown now and never again; only its SHA-256 is kept."""
    order = KeyOrder(
        name=name,
        purpose=Purpose.ADMIN if admin else Purpose.INFERENCE,
        workspace=workspace,
        endpoints=tuple(endpoint) if endpoint else None,
        limits=UseLimits(
            requests_per_min=requests_per_min,
            tokens_per_min=tokens_per_min,
            concurrency=concurrency,
            budget_usd_per_month=monthly_budget,
        ),
        lifetime_s=_duration_s("--expires", expires),
    )
    shop = Workshop()
    _print_new(create_key(order, shop.store.access, shop.clock), as_json)
    known = {one.name for one in shop.store.deployments.endpoints()}
    for missing in [name for name in order.endpoints or () if name not in known]:
        typer.echo(
            f"nothing is deployed as {missing!r} yet: the key opens it once it is"
            f" (now: {', '.join(sorted(known)) or 'no endpoint'})",
            err=True,
        )


@app.callback(invoke_without_command=True)
def keys(context: typer.Context) -> None:
    """Without a command: the list."""
    if context.invoked_subcommand is None:
        list_keys()


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Show every key, its limits and its state; the keys themselves are not stored."""
    shop = Workshop()
    keys = shop.store.access.stored_keys()
    if as_json:
        rows = [_document(key) | {"state": shown_state(key, shop.clock)} for key in keys]
        print_json({"keys": rows})
        return
    print_table(
        "Keys",
        ("id", "name", "purpose", "workspace", "endpoints", "limits", "state", "expires"),
        [
            (
                key.key_id,
                key.name,
                key.purpose.value,
                key.workspace,
                _opens(key),
                limits_words(key.limits) or "–",
                shown_state(key, shop.clock),
                key.expires_at_utc or "–",
            )
            for key in keys
        ],
    )


def _opens(key: ApiKey) -> str:
    if key.purpose is Purpose.ADMIN:  # the management API and no endpoint
        return "–"
    return " ".join(key.endpoints) if key.endpoints else "all"


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[str, typer.Option(help="How long the old one goes on.")] = "24h",
    as_json: AsJson = False,
) -> None:
    """Make a key with the same rules and let the old one end after a grace time."""
    shop = Workshop()
    grace_s = _duration_s("--grace", grace) or 0.0
    _print_new(rotate_key(key_id, shop.store.access, shop.clock, grace_s=grace_s), as_json)


@app.command()
def revoke(key_id: KeyId) -> None:
    """End a key now."""
    shop = Workshop()
    key = revoke_key(key_id, shop.store.access, shop.clock)
    typer.echo(f"{key.key_id} ({key.name}) opens nothing any more; {KNOWN_WITHIN}", err=True)


def _print_new(new: NewKey, as_json: bool) -> None:
    if as_json:
        print_json(_document(new.key) | {"key": new.secret})
        return
    typer.echo(new.secret)
    typer.echo(
        f"{new.key.key_id}: this is the only time the key is shown; {KNOWN_WITHIN}", err=True
    )


def _document(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.key_id,
        "name": key.name,
        "purpose": key.purpose.value,
        "workspace": key.workspace,
        "endpoints": key.endpoints,
        **limits_document(key.limits),
        "created_at": key.created_at_utc,
        "expires_at": key.expires_at_utc,
        "revoked_at": key.revoked_at_utc,
        "replaces": key.replaces,
    }


def _duration_s(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    seconds = parse_duration_s(text)
    if seconds is None:
        raise SpecError(
            Code.BAD_OPTION,
            f"{option} {text!r} is no duration",
            why="a number and a unit are needed",
            fix=f"{option} 12h",
        )
    return seconds
