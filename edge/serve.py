"""``python -m edge.serve``: write the configuration of an edge's web server and become that server."""

import argparse
import socket
from pathlib import Path

from edge.caddyfile import render
from telecine.process import replace_process
from telecine.tools import tool_path

__all__ = ["main"]


def main() -> None:
    """Never returns: the process becomes Caddy, so its supervisor signals the right one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", required=True, help="name of the edge")
    parser.add_argument("--root", type=Path, required=True, help="folder of the edge: www/ holds what it serves")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--agent-url", required=True, help="where the fill agent answers")
    options = parser.parse_args()
    root: Path = options.root.resolve()
    for folder in (root / "www", root / "caddy"):
        folder.mkdir(parents=True, exist_ok=True)
    configuration = root / "Caddyfile"
    configuration.write_text(render(root, options.port, options.agent_url, _loopbacks()))
    home = {"HOME": str(root), "XDG_DATA_HOME": str(root / "caddy"), "XDG_CONFIG_HOME": str(root / "caddy")}
    argv = (tool_path("caddy"), "run", "--config", str(configuration), "--adapter", "caddyfile")
    replace_process(argv, home)


def _loopbacks() -> tuple[str, ...]:
    """Both loopback addresses where there are two: browsers may resolve *.localhost to either."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return ("127.0.0.1",)
    return ("127.0.0.1", "[::1]")


if __name__ == "__main__":
    main()
