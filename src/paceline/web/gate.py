"""Who may use the management API: holders of an admin key, and errors as they get them."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from paceline.app.keys import key_among, key_of
from paceline.app.wiring import Workshop
from paceline.errors import CapacityError, Code, PacelineError, SetupError
from paceline.records.access import ApiKey, Purpose

OPEN: Final = frozenset({"/healthz", "/openapi.json", "/docs"})
"""What says nothing about anybody."""
JSON_TYPE: Final = (b"content-type", b"application/json")
KnownKeys = Callable[[], Iterable[ApiKey]]
"""Gives keys of any purpose that were read lately."""
UNKNOWN: Final = 404
BAD: Final = 400
UNAVAILABLE: Final = 503


class BodiesAreJson:
    """Middleware: a body is read as JSON whatever `Content-Type` says of it, as curl's `-d` does.

    No browser can be made to send a form here: every route that takes a body wants a key.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            others = [one for one in scope["headers"] if one[0] != JSON_TYPE[0]]
            scope = {**scope, "headers": [*others, JSON_TYPE]}
        await self._app(scope, receive, send)


class AdminOnly:
    """Middleware: 401 for everything that is not open, unless an admin key comes with it.

    A key that is known needs no store; one that was just made is looked up there.
    """

    def __init__(self, app: ASGIApp, *, shop: Workshop, known_keys: KnownKeys) -> None:
        self._app = app
        self._shop = shop
        self._known_keys = known_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            request = Request(scope)
            try:
                found = await self._who(request.headers.get("authorization", ""))
            except PacelineError as error:  # no handler of the framework's is around us
                found = _told(error)
            if isinstance(found, JSONResponse):
                await found(scope, receive, send)
                return
            request.state.actor = found.key_id
        await self._app(scope, receive, send)

    async def _who(self, authorization: str) -> ApiKey | JSONResponse:
        scheme, _, secret = authorization.partition(" ")
        shop = self._shop
        if scheme.lower() == "bearer":
            secret = secret.strip()
            key = key_among(self._known_keys(), secret, Purpose.ADMIN, shop.clock)
            if key is None:  # in a thread: the store may be slow, and others are being answered
                look = partial(key_of, secret, Purpose.ADMIN, shop.store.access, shop.clock)
                key = await run_in_threadpool(look)
            if key is not None:
                return key
        what = "the key is no valid admin key" if secret else "an admin key is needed"
        return problem(
            401,
            code="unauthorized",
            message=f"{what}; make one with: paceline keys create NAME --admin",
            headers={"www-authenticate": "Bearer"},
        )


def actor_of(request: Request) -> str:
    """The id of the admin key that a request came with, for the audit trail."""
    actor: str = request.state.actor
    return actor


def problem(
    status: int, *, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error in the shape of the gateway's."""
    return JSONResponse(
        {"error": {"message": message, "type": "management_error", "param": None, "code": code}},
        status_code=status,
        headers=headers,
    )


def translate_errors(api: FastAPI) -> None:
    """Our errors and the framework's, in one shape."""

    @api.exception_handler(PacelineError)
    async def ours(_: Request, error: PacelineError) -> JSONResponse:
        return _told(error)

    @api.exception_handler(HTTPException)
    async def framework(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, code="http", message=str(error.detail))

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, code="invalid", message=f"{where}: {first['msg']}")


def _told(error: PacelineError) -> JSONResponse:
    if isinstance(error, SetupError | CapacityError):
        status = UNAVAILABLE
    else:
        status = UNKNOWN if error.code is Code.UNKNOWN_NAME else BAD
    return problem(status, code=error.code.value, message=str(error))
