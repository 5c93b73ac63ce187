"""``python -m edge.agent``: the fill agent of one edge. Fills on order, answers misses once, follows invalidations."""

import argparse
import hmac
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry, Counter, generate_latest
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from edge.files import EdgeFiles
from edge.fill import Filler, FillOrder, SingleFlight, read_inventory
from edge.invalidation import Invalidations
from telecine.errors import NotFound, TelecineError, Unavailable
from telecine.log import configure_logging, get_logger
from telecine.settings import load_settings
from telecine.storage.port import ObjectStore
from telecine.storage.s3 import s3_store

__all__ = ["AgentParts", "create_app", "main"]

log = get_logger(__name__)

_VERSIONED = re.compile(r"^p/(?P<title>[a-z0-9-]+)/(?P<version>v[0-9a-f]+)/(?P<path>.+)$")
_POINTER = re.compile(r"^t/[a-z0-9-]+/current\.json$")
_NEVER_CACHED = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent works with; ``redis_url`` None: invalidations are not followed (tests of the rest)."""

    edge: str
    root: Path
    origin: ObjectStore
    token: SecretStr
    redis_url: SecretStr | None = None


class Agent:
    """The edge's files, and the two ways they come here: by order, and by a viewer's miss."""

    def __init__(self, parts: AgentParts) -> None:
        self._origin = parts.origin
        self._token = parts.token
        self.files = EdgeFiles(parts.root)
        self._flights = SingleFlight()
        self.filler = Filler(parts.edge, self.files, parts.origin, self._flights)
        self.registry = CollectorRegistry()
        self.misses = Counter("telecine_edge_misses", "Requests for files that were not here", registry=self.registry)
        self.fetches = Counter(
            "telecine_edge_origin_fetches", "Objects fetched from the origin for misses", registry=self.registry
        )

    def authorised(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), self._token.get_secret_value().encode())

    def bring(self, key: str) -> Path:
        """The file of a key that a viewer misses, fetched once however many ask. Raises NotFound, Unavailable."""
        self.misses.inc()
        path = self.files.path(key)
        with self._flights(key):
            if not path.is_file():
                sha256 = self._expected(key)
                self.fetches.inc()
                self.files.fetch(key, self._origin, sha256)
        return path

    def refresh(self, keys: list[str]) -> None:
        """Pointers changed: have the new ones before anybody asks."""
        for key in keys:
            if not _POINTER.match(key):
                continue
            try:
                with self._flights(key):
                    self.files.fetch(key, self._origin, None)
            except NotFound:
                self.files.drop(key)
            except Unavailable as error:
                self.files.drop(key)  # the next viewer asks the origin
                log.warning("pointer.not_refreshed", key=key, why=str(error))

    def refresh_all(self) -> None:
        """Messages may have been missed: check every pointer held."""
        self.refresh(list(self.files.pointers()))

    def _expected(self, key: str) -> str | None:
        if _POINTER.match(key):
            return None
        found = _VERSIONED.match(key)
        if found is None:
            message = f"{key} is nothing an edge serves."
            raise NotFound(message)
        order = FillOrder(title_id=found["title"], version=found["version"], inventory_sha256="")
        for entry in read_inventory(self._origin, order).entries:
            if entry.path == found["path"]:
                return entry.sha256
        message = f"{key} is not in the inventory of its version."
        raise NotFound(message)


def create_app(parts: AgentParts) -> Starlette:
    """The agent's application."""
    agent = Agent(parts)
    follower = Invalidations(parts.redis_url, parts.edge, agent.refresh, agent.refresh_all) if parts.redis_url else None

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if follower:
            follower.start()
        yield
        if follower:
            follower.stop()

    routes = [
        Route("/v1/fills", _fills, methods=["POST"]),
        Route("/healthz", lambda _: PlainTextResponse("ok")),
        Route("/metrics", _metrics),
        Route("/{key:path}", _miss, methods=["GET", "HEAD"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.agent = agent
    return app


async def _fills(request: Request) -> Response:
    """POST a FillOrder: 202 with the progress while it runs, 200 with the FillReceipt when every object is proven."""
    agent: Agent = request.app.state.agent
    if not agent.authorised(request):
        return _problem(401, "Fills need the agent token.")
    try:
        order = FillOrder.model_validate_json(await request.body())
    except ValidationError as error:
        return _problem(400, f"This is no fill order: {error.error_count()} fields are wrong.")
    fill = await run_in_threadpool(agent.filler.start, order)
    if fill.problem is not None:
        return _problem(502, fill.problem)
    if fill.receipt is not None:
        return Response(fill.receipt.model_dump_json(), media_type="application/json")
    return JSONResponse({"state": "filling", "done": fill.done, "total": fill.total}, status_code=202)


async def _miss(request: Request) -> Response:
    agent: Agent = request.app.state.agent
    try:
        path = await run_in_threadpool(agent.bring, request.path_params["key"])
    except NotFound:
        return _problem(404, "There is no such object.")
    except Unavailable:
        return _problem(503, "The origin does not answer.")
    except TelecineError:
        return _problem(404, "There is no such object.")
    return FileResponse(path)


async def _metrics(request: Request) -> Response:
    return Response(generate_latest(request.app.state.agent.registry), media_type="text/plain; version=0.0.4")


def _problem(status: int, detail: str) -> Response:
    body = {"type": "about:blank", "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, headers=_NEVER_CACHED, media_type="application/problem+json")


def main() -> None:
    """Run the agent on loopback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", required=True, help="name of the edge")
    parser.add_argument("--root", type=Path, required=True, help="folder of the edge: www/ holds what it serves")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    configure_logging()
    settings = load_settings()
    parts = AgentParts(
        edge=options.edge,
        root=options.root.resolve(),
        origin=s3_store(settings, settings.origin_bucket),
        token=settings.agent_token,
        redis_url=settings.redis_url,
    )
    uvicorn.run(create_app(parts), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
