"""``python -m edge.serve``: write the configuration of an edge's web server and become that server."""

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from edge.caddyfile import render
from telecine.errors import MissingRequirement
from telecine.log import configure_logging, get_logger
from telecine.process import replace_process
from telecine.tools import tool_path

__all__ = ["main"]

log = get_logger(__name__)

_NOT_ITS_BUSINESS = (
    "TELECINE_S3_ACCESS_KEY",
    "TELECINE_S3_SECRET_KEY",
    "TELECINE_AGENT_TOKEN",
    "TELECINE_TOKEN_KEY",
    "TELECINE_REDIS_URL",
    "TELECINE_DATABASE_URL",
    "TELECINE_AIRFLOW_PASSWORD",
)


def main() -> NoReturn:
    """The process becomes Caddy, so its supervisor signals the right one; exit 2 when something is missing."""
    parser = argparse.ArgumentParser(prog="edge.serve", description=__doc__)
    parser.add_argument("--edge", required=True, help="name of the edge")
    parser.add_argument("--root", type=Path, required=True, help="folder of the edge: www/ holds what it serves")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--agent-url", required=True, help="where the fill agent answers")
    wanted = parser.parse_args()
    configure_logging()
    root: Path = wanted.root.resolve()
    for folder in (root / "www", root / "caddy"):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        argv = (tool_path("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile")
    except MissingRequirement as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    (root / "Caddyfile").write_text(render(wanted.port, wanted.agent_url, _loopbacks(wanted.port)))
    log.info("edge.serving", edge=wanted.edge, port=wanted.port)
    os.chdir(root)
    home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(root / "caddy"))
    replace_process(argv, home | dict.fromkeys(_NOT_ITS_BUSINESS, ""))


def _loopbacks(port: int) -> tuple[str, ...]:
    """Both loopback addresses where there are two: browsers may resolve *.localhost to either."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("::1", port))
    except OSError as error:
        log.warning("edge.ipv4_only", port=port, why=str(error))
        return ("127.0.0.1",)
    return ("127.0.0.1", "::1")


if __name__ == "__main__":
    main()
