"""The board as a server of its own, for tests of uploads: who calls is said in a header, ``name:role``."""

import sys

import uvicorn

from board.access import Caller
from board.app import create_app
from pipeline.installation import open_installation
from telecine.settings import load_settings


async def identify(request):
    name, _, role = (request.headers.get("x-caller") or request.cookies.get("caller") or "").partition(":")
    return Caller(name=name, role=role) if name else None


def main() -> None:
    place = open_installation(load_settings())
    place.registry.migrate()
    uvicorn.run(create_app(lambda: place, identify), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
