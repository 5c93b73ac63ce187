"""``python -m edge.agent``: the fill agent of one edge. Fills on order, answers misses once, follows invalidations."""

import argparse
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from edge.app import AgentParts, create_app
from telecine.errors import MissingRequirement, TelecineError
from telecine.log import configure_logging
from telecine.settings import load_settings
from telecine.storage.s3 import s3_store

__all__ = ["main"]

_VIEWERS_PATIENCE_S = 4


def main() -> int:
    """Serve on loopback until SIGTERM or SIGINT; 2 when something it needs is missing, said in one line."""
    parser = argparse.ArgumentParser(prog="edge.agent", description=__doc__)
    parser.add_argument("--edge", required=True, help="name of the edge")
    parser.add_argument("--root", type=Path, required=True, help="folder of the edge: www/ holds what it serves")
    parser.add_argument("--port", type=int, required=True)
    wanted = parser.parse_args()
    configure_logging()
    try:
        app = _app(wanted.edge, wanted.root.resolve())
    except TelecineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=wanted.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    return 0


def _app(edge: str, root: Path) -> Starlette:
    settings = load_settings()
    if not settings.s3_endpoint or not settings.agent_token.get_secret_value():
        message = "A fill agent needs TELECINE_S3_ENDPOINT (with its credentials) and TELECINE_AGENT_TOKEN."
        raise MissingRequirement(message)
    return create_app(
        AgentParts(
            edge=edge,
            root=root,
            origin=s3_store(settings, settings.origin_bucket),
            quick_origin=s3_store(settings, settings.origin_bucket, patience_s=_VIEWERS_PATIENCE_S),
            token=settings.agent_token,
            redis_url=settings.redis_url,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
