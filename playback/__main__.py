"""``python -m playback --port N``: the playback service on the loopback address."""

import argparse
import sys

import uvicorn

from playback.app import create_app
from telecine.errors import TelecineError
from telecine.log import configure_logging


def main() -> int:
    """Serve until SIGTERM or SIGINT. 2 when something it needs is missing, said in one line."""
    parser = argparse.ArgumentParser(prog="playback", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--verbose", action="store_true")
    wanted = parser.parse_args()
    configure_logging(verbose=wanted.verbose)
    try:
        app = create_app()
    except TelecineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(app, host=wanted.host, port=wanted.port, access_log=wanted.verbose, server_header=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
