"""Routes of the management API; each calls what the command of the same name calls."""

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from paceline import __version__
from paceline.app.audit import audit_document, audit_trail, read_since
from paceline.app.keys import KeyOrder, NewKey, create_key, revoke_key, rotate_key, shown_state
from paceline.app.report import run_document
from paceline.app.runs import ranking_of, receipt_path, stored_runs
from paceline.app.usage_report import usage_document, used
from paceline.app.versions import (
    compare_versions,
    comparison_document,
    deployed_document,
    deployed_policies,
)
from paceline.app.wiring import Workshop
from paceline.app.workspaces import all_workspaces, limit_workspace, set_quota, workspace_document
from paceline.records.access import ApiKey, Purpose, RunQuota, UseLimits
from paceline.records.audit import AuditKind
from paceline.records.serial import dump
from paceline.records.usage import UsageBy
from paceline.web.deploying import Actor, deploying
from paceline.web.gate import AdminOnly, BodiesAreJson, KnownKeys, translate_errors
from paceline.web.page import docs_page

Document = Mapping[str, object]
DAY_S = 86_400.0


class KeyBody(BaseModel):
    """A key to make; a limit that is left out does not apply, without endpoints it is for all."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    purpose: Purpose = Purpose.INFERENCE
    workspace: str = "default"
    endpoints: list[str] | None = Field(default=None, min_length=1)
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrency: int | None = None
    budget_usd_per_month: float | None = None
    lifetime_s: float | None = None


class LimitsBody(BaseModel):
    """What a workspace may use; a limit that is left out does not apply."""

    model_config = ConfigDict(extra="forbid")

    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrency: int | None = None
    budget_usd_per_month: float | None = None


class QuotaBody(BaseModel):
    """What may be optimized in the name of a workspace; what is left out does not apply."""

    model_config = ConfigDict(extra="forbid")

    runs_per_month: int | None = None
    concurrent_runs: int | None = None
    overage: bool = False
    accelerators: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None


class RotateBody(BaseModel):
    """How long the old key goes on."""

    model_config = ConfigDict(extra="forbid")

    grace_s: float = Field(default=DAY_S, ge=0)


class RollbackBody(BaseModel):
    """The version to go back to."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(ge=1)


def build_api(
    shop: Workshop, *, metrics: Callable[[], str], known_keys: KnownKeys = tuple
) -> FastAPI:
    """The whole API on one workshop. `metrics` gives the Prometheus page when it is asked for.

    `known_keys` are looked at before the store is asked, so that a page is had without it.
    """
    api = FastAPI(
        title="Paceline management API", version=__version__, docs_url=None, redoc_url=None
    )
    api.add_middleware(BodiesAreJson)
    api.add_middleware(AdminOnly, shop=shop, known_keys=known_keys)
    translate_errors(api)
    _open_routes(api, metrics)
    _history(api, shop)
    _serving(api, shop)
    deploying(api, shop)
    _keys(api, shop)
    _workspaces(api, shop)
    _audit(api, shop)
    return api


def _open_routes(api: FastAPI, metrics: Callable[[], str]) -> None:
    @api.get("/healthz", tags=["state"])
    def healthz() -> Document:
        """Whether this process answers."""
        return {"status": "ok", "version": __version__}

    @api.get("/metrics", tags=["state"], response_class=PlainTextResponse)
    def prometheus() -> PlainTextResponse:
        """Metrics of gateway, replicas and autoscaler in Prometheus form."""
        return PlainTextResponse(metrics(), media_type="text/plain; version=0.0.4")

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(api.openapi()))


def _history(api: FastAPI, shop: Workshop) -> None:
    @api.get("/api/runs", tags=["runs"])
    def runs(limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> Document:
        """Stored runs, latest first."""
        rows = [
            {
                "run_id": run.run_id,
                "pipeline": run.request.pipeline,
                "model": run.request.model,
                "state": run.state.value,
                "winner": run.result.ranking.winner if run.result else None,
                "created_at": run.created_at_utc,
            }
            for run in stored_runs(shop, limit=limit)
        ]
        return {"runs": rows}

    @api.get("/api/runs/{run_id}", tags=["runs"])
    def run(run_id: str) -> Document:
        """One run, as `paceline optimize --json` prints it."""
        found = shop.store.run(run_id)
        path = receipt_path(found, shop)
        return run_document(found, ranking_of(found, shop), str(path) if path else None)

    @api.get("/api/pipelines", tags=["versions"])
    def pipelines() -> Document:
        """Pipelines and the version that each points to."""
        return {"pipelines": [dump(pipeline) for pipeline in shop.store.pipelines()]}

    @api.get("/api/pipelines/{pipeline}/versions", tags=["versions"])
    def versions(pipeline: str) -> Document:
        """Oldest first, each with the policies that it was last deployed with."""
        found, deployed = shop.store.versions(pipeline), deployed_policies(pipeline, shop)
        rows = [
            dump(one)
            | {"deployed": [deployed_document(each) for each in deployed.get(one.number, ())]}
            for one in found
        ]
        return {"versions": rows}

    @api.get("/api/pipelines/{pipeline}/compare", tags=["versions"])
    def compare(pipeline: str, first: int, second: int) -> Document:
        """How two versions differ, and what each was measured to do."""
        return comparison_document(compare_versions(pipeline, first, second, shop))

    @api.post("/api/pipelines/{pipeline}/rollback", tags=["versions"])
    def rollback(pipeline: str, body: RollbackBody, actor: Actor) -> Document:
        """Point the pipeline to an earlier version; nothing running changes before a deployment."""
        at_utc = shop.clock.utc_now().isoformat(timespec="seconds")
        version = shop.store.rollback(pipeline, body.number, at_utc=at_utc, actor=actor)
        return {"version": dump(version)}


def _serving(api: FastAPI, shop: Workshop) -> None:
    @api.get("/api/endpoints", tags=["endpoints"])
    def endpoints() -> Document:
        """What is wanted of each endpoint, and what was last seen of it."""
        kept = shop.store.deployments
        rows = []
        for endpoint in kept.endpoints():
            status = kept.status(endpoint.name)
            rows.append({"wanted": dump(endpoint), "seen": dump(status) if status else None})
        return {"endpoints": rows}

    @api.get("/api/usage", tags=["usage"])
    def usage(by: UsageBy = UsageBy.ENDPOINT, last_s: float = 30 * DAY_S) -> Document:
        """What was served in the last `last_s` seconds, summed."""
        since_s = shop.clock.utc_now().timestamp() - last_s
        found = used(shop, by=by, since_s=since_s)
        return {"by": by.value, "usage": [usage_document(one) for one in found]}


def _keys(api: FastAPI, shop: Workshop) -> None:
    @api.get("/api/keys", tags=["keys"])
    def keys() -> Document:
        """Every key with its rules and state; the keys themselves are not kept."""
        found = shop.store.access.stored_keys()
        return {"keys": [_key(key) | {"state": shown_state(key, shop.clock)} for key in found]}

    @api.post("/api/keys", tags=["keys"], status_code=201)
    def create(body: KeyBody, actor: Actor) -> Document:
        """Make a key; the answer is the only time it is shown. In force within a second."""
        order = KeyOrder(
            name=body.name,
            purpose=body.purpose,
            workspace=body.workspace,
            endpoints=None if body.endpoints is None else tuple(body.endpoints),
            limits=UseLimits(
                requests_per_min=body.requests_per_min,
                tokens_per_min=body.tokens_per_min,
                concurrency=body.concurrency,
                budget_usd_per_month=body.budget_usd_per_month,
            ),
            lifetime_s=body.lifetime_s,
        )
        return _new(create_key(order, shop.store.access, shop.clock, actor=actor))

    @api.post("/api/keys/{key_id}/rotate", tags=["keys"], status_code=201)
    def rotate(key_id: str, body: RotateBody, actor: Actor) -> Document:
        """A key with the same rules; the old one ends after the grace time."""
        access, grace_s = shop.store.access, body.grace_s
        return _new(rotate_key(key_id, access, shop.clock, grace_s=grace_s, actor=actor))

    @api.delete("/api/keys/{key_id}", tags=["keys"])
    def revoke(key_id: str, actor: Actor) -> Document:
        """End a key; a gateway that runs knows it within a second."""
        return _key(revoke_key(key_id, shop.store.access, shop.clock, actor=actor))


def _workspaces(api: FastAPI, shop: Workshop) -> None:
    @api.get("/api/workspaces", tags=["workspaces"])
    def workspaces() -> Document:
        """Workspaces with their limits, keys and endpoints, and what the month has cost."""
        return {"workspaces": [workspace_document(one) for one in all_workspaces(shop)]}

    @api.put("/api/workspaces/{name}", tags=["workspaces"])
    def limit(name: str, body: LimitsBody, actor: Actor) -> Document:
        """Say what the keys of a workspace may use together; in force within a second."""
        limits = UseLimits(**body.model_dump())
        return dump(limit_workspace(name, limits, shop.store.access, shop.clock, actor=actor))

    @api.put("/api/workspaces/{name}/quota", tags=["workspaces"])
    def quota(name: str, body: QuotaBody, actor: Actor) -> Document:
        """Say what may be optimized in its name; runs under way go on."""
        wanted = RunQuota(**body.model_dump())
        return dump(set_quota(name, wanted, shop.store.access, shop.clock, actor=actor))


def _audit(api: FastAPI, shop: Workshop) -> None:
    @api.get("/api/audit", tags=["audit"])
    def audit(
        since: str | None = None, kind: AuditKind | None = None, actor: str | None = None
    ) -> Document:
        """Who changed what, oldest first; `since` is a time, or how long ago, as `7d`."""
        since_utc = "" if since is None else read_since(since, shop.clock)
        events = audit_trail(shop, since_utc=since_utc, kind=kind, actor=actor)
        return {"events": [audit_document(event) for event in events]}


def _new(new: NewKey) -> Document:
    return _key(new.key) | {"key": new.secret}


def _key(key: ApiKey) -> dict[str, object]:
    """Without its digest: who has that could look for it in other places."""
    return {name: value for name, value in dump(key).items() if name != "digest"}
