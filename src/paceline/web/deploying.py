"""Routes that say what shall be served; each does what the command of the same name does."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field

from paceline.app.deploy import DeployOrder, deploy
from paceline.app.endpoints import (
    endpoint_document,
    log_of,
    one_endpoint,
    remove,
    replica_document,
    replicas_of,
)
from paceline.app.wiring import Workshop
from paceline.records.deployment import Canary
from paceline.records.gateway import UnknownParameters
from paceline.records.scaling import Mode
from paceline.records.serial import dump
from paceline.web.gate import actor_of

Document = Mapping[str, object]
Actor = Annotated[str, Depends(actor_of)]
"""The admin key that a change is made with."""
LOG_LINES = 100


class CanaryBody(BaseModel):
    """A share of requests (0–1) for the new version, and how long it is watched at least."""

    model_config = ConfigDict(extra="forbid")

    share: float = Field(gt=0, lt=1)
    at_least_s: float = Field(default=300.0, ge=0)
    requests: int = Field(default=50, ge=1)


class DeployBody(BaseModel):
    """What to serve; what is left out stays as the endpoint has it, or takes its default."""

    model_config = ConfigDict(extra="forbid")

    pipeline: str
    version: int | None = Field(default=None, ge=1)
    name: str | None = None
    aliases: tuple[str, ...] | None = None
    workspace: str | None = None
    mode: Mode | None = None
    min_replicas: int | None = Field(default=None, ge=0)
    max_replicas: int | None = Field(default=None, ge=1)
    budget_usd_per_hour: float | None = Field(default=None, gt=0)
    idle_timeout_s: float | None = Field(default=None, gt=0)
    queue_delay_s: float | None = Field(default=None, gt=0)
    target_in_flight: float | None = Field(default=None, gt=0)
    cold_start_budget_s: float | None = Field(default=None, gt=0)
    hold_s: float | None = Field(default=None, ge=0)
    queue_length: int | None = Field(default=None, ge=0)
    drain_timeout_s: float | None = Field(default=None, ge=0)
    answer_timeout_s: float | None = Field(default=None, gt=0)
    share_device: bool | None = None
    unknown_parameters: UnknownParameters | None = None
    prefix_affine: bool | None = None
    canary: CanaryBody | None = None

    def order(self) -> DeployOrder:
        """As the command line would ask for it."""
        canary = None if self.canary is None else Canary(**self.canary.model_dump())
        return DeployOrder(**self.model_dump(exclude={"canary"}), canary=canary)


def deploying(api: FastAPI, shop: Workshop) -> None:
    """Add them to the API."""

    @api.post("/api/endpoints", tags=["endpoints"], status_code=201)
    def deploy_version(body: DeployBody, actor: Actor) -> Document:
        """Say that a version shall be served; a running `paceline serve` sees it in a second."""
        placed = deploy(body.order(), shop, actor=actor)
        return endpoint_document(one_endpoint(placed.name, shop))

    @api.get("/api/endpoints/{name}", tags=["endpoints"])
    def endpoint(name: str) -> Document:
        """One endpoint with its latest replicas, as `paceline endpoints NAME --json` prints it."""
        rows = [replica_document(replica) for replica in replicas_of(name, shop)]
        return {**endpoint_document(one_endpoint(name, shop)), "replica_list": rows}

    @api.get("/api/endpoints/{name}/log", tags=["endpoints"])
    def log(name: str, lines: int = LOG_LINES) -> Document:
        """Every decision with its reason, the latest `lines` of them; also of a removed one."""
        return {"log": [dump(line) for line in log_of(name, shop, limit=max(lines, 1))]}

    @api.delete("/api/endpoints/{name}", tags=["endpoints"])
    def undeploy(name: str, actor: Actor) -> Document:
        """Stop serving it; requests under way may finish. Versions and log stay."""
        remove(name, shop, actor=actor)
        return {"name": name, "wanted": None}
