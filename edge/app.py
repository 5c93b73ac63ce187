"""The agent's HTTP interface: orders for fills (with a token), and what Caddy could not find."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from edge.content_types import content_type
from edge.files import EdgeFiles
from edge.fill import Filler, FillOrder
from edge.invalidation import Invalidations
from edge.keys import parse_object_key
from edge.metrics import EdgeMetrics
from edge.supply import Supply
from telecine.errors import (
    MissingRequirement,
    NotFound,
    PackageRejected,
    PreconditionFailed,
    TelecineError,
    Unavailable,
)
from telecine.storage.port import ObjectStore

__all__ = ["AgentParts", "create_app"]

_STATUS: dict[type[TelecineError], int] = {
    PackageRejected: 422,
    NotFound: 404,
    MissingRequirement: 507,
    PreconditionFailed: 409,
    Unavailable: 503,
}


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent works with. ``origin`` waits out restarts of the service, ``quick_origin`` does not.

    ``redis_url`` None: invalidations are not followed.
    """

    edge: str
    root: Path
    origin: ObjectStore
    quick_origin: ObjectStore
    token: SecretStr
    redis_url: SecretStr | None = None


class Agent:
    """The edge's files, and the ways they come here: by order, by a viewer's miss, by an invalidation."""

    def __init__(self, parts: AgentParts) -> None:
        self.edge = parts.edge
        self._token = parts.token
        self.metrics = EdgeMetrics()
        self.files = EdgeFiles(parts.root)
        self.filler = Filler(parts.edge, self.files, parts.origin, self.metrics)
        self.supply = Supply(self.files, parts.quick_origin, self.filler.flights, self.metrics)
        self.invalidations = (
            Invalidations(parts.redis_url, parts.edge, self.supply.refresh, self.supply.refresh_all)
            if parts.redis_url and parts.redis_url.get_secret_value()
            else None
        )
        self._missed: dict[str, asyncio.Task[Path]] = {}
        self._threads = CapacityLimiter(32)

    def authorised(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        expected = self._token.get_secret_value()
        return scheme.lower() == "bearer" and bool(expected) and hmac.compare_digest(given.encode(), expected.encode())

    async def bring(self, key: str) -> Path:
        """One fetch a key, however many viewers ask; one who leaves does not end it for the others."""
        task = self._missed.get(key)
        if task is None:
            task = asyncio.create_task(to_thread.run_sync(self.supply.bring, key, limiter=self._threads))
            self._missed[key] = task
            task.add_done_callback(lambda _: self._missed.pop(key, None))
        return await asyncio.shield(task)


def create_app(parts: AgentParts) -> Starlette:
    """The agent's application. Raises MissingRequirement when another agent owns the root."""
    agent = Agent(parts)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if agent.invalidations:
            agent.invalidations.start()
        yield
        agent.filler.stop()
        if agent.invalidations:
            await to_thread.run_sync(agent.invalidations.stop)

    routes = [
        Route("/v1/fills", _fill, methods=["POST"]),
        Route("/v1/titles/{title_id}", _title),
        Route("/v1/titles/{title_id}/{version}", _version, methods=["GET", "DELETE"]),
        Route("/healthz", _healthz),
        Route("/metrics", _metrics),
        Route("/{key:path}", _miss, methods=["GET", "HEAD"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.agent = agent
    return app


async def _fill(request: Request) -> Response:
    """POST a FillOrder: 202 with FillProgress while it runs, 200 with the FillReceipt when every object is proven."""
    agent: Agent = request.app.state.agent
    if not agent.authorised(request):
        return _unauthorised()
    try:
        order = FillOrder.model_validate_json(await request.body())
    except ValidationError as error:
        return _problem(400, f"This is no fill order: {error.error_count()} of its fields are wrong.")
    fill = await to_thread.run_sync(agent.filler.ask, order)
    if fill.problem is not None:
        return _refusal(fill.problem)
    if fill.receipt is not None:
        return _json(fill.receipt.model_dump_json())
    return _json(fill.progress.model_dump_json(), 202)


async def _title(request: Request) -> Response:
    """The receipts of a title's versions on this edge, newest proof of each."""
    agent: Agent = request.app.state.agent
    if not agent.authorised(request):
        return _unauthorised()
    try:
        receipts = agent.files.receipts(request.path_params["title_id"])
    except TelecineError as error:
        return _problem(404, str(error))
    return JSONResponse({"receipts": [receipt.model_dump(mode="json") for receipt in receipts]})


async def _version(request: Request) -> Response:
    """GET: the receipt of a version that is wholly here, else 404. DELETE: remove it, 409 while it is being filled."""
    agent: Agent = request.app.state.agent
    if not agent.authorised(request):
        return _unauthorised()
    asked = request.path_params["title_id"], request.path_params["version"]
    try:
        parse_object_key(f"p/{asked[0]}/{asked[1]}/any")
        if request.method == "DELETE":
            freed = await to_thread.run_sync(agent.filler.drop, *asked)
            agent.supply.forget(*asked)
            return JSONResponse({"freed_bytes": freed})
        receipt = await to_thread.run_sync(agent.files.held, *asked)
    except TelecineError as error:
        return _refusal(error)
    if receipt is None:
        return _problem(404, f"{agent.edge} does not hold {asked[0]} {asked[1]}, or not all of it.")
    return _json(receipt.model_dump_json())


async def _healthz(request: Request) -> Response:
    agent: Agent = request.app.state.agent
    following = bool(agent.invalidations and agent.invalidations.connected)
    return JSONResponse({"status": "ok", "edge": agent.edge, "invalidations": following})


async def _metrics(request: Request) -> Response:
    agent: Agent = request.app.state.agent
    agent.metrics.listening.set(bool(agent.invalidations and agent.invalidations.connected))
    return Response(agent.metrics.text(), media_type="text/plain; version=0.0.4")


async def _miss(request: Request) -> Response:
    agent: Agent = request.app.state.agent
    agent.metrics.misses.inc()
    try:
        path = await agent.bring(request.path_params["key"])
    except TelecineError as error:
        return _refusal(error, told=False)
    sidecar = path.with_name(path.name + ".etag")
    headers = {"ETag": sidecar.read_text()} if sidecar.is_file() else None
    return FileResponse(path, headers=headers, media_type=content_type(path.name))


def _refusal(error: TelecineError, *, told: bool = True) -> Response:
    """``told``: to the pipeline the whole sentence; a viewer hears only what he asked for in vain."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 502)
    public = "There is no such object." if status == _STATUS[NotFound] else "This object cannot be had now."
    return _problem(status, str(error) if told else public)


def _unauthorised() -> Response:
    answer = _problem(401, "This needs the agent token as a bearer token.")
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _problem(status: int, detail: str) -> Response:
    """RFC 9457."""
    return JSONResponse(
        {"type": "about:blank", "status": status, "detail": detail},
        status_code=status,
        headers={"Cache-Control": "no-store"},
        media_type="application/problem+json",
    )


def _json(content: str, status: int = 200) -> Response:
    return Response(content, status_code=status, media_type="application/json")
