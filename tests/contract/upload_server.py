"""The upload routes as a server of their own, for tests: who calls is said in a header, ``name:role``."""

import sys

import uvicorn
from fastapi import FastAPI

from board.access import Caller
from board.uploads import router
from pipeline.installation import open_installation
from telecine.settings import load_settings


async def identify(request):
    name, _, role = (request.headers.get("x-caller") or request.cookies.get("caller") or "").partition(":")
    return Caller(name=name, role=role) if name else None


def main() -> None:
    app = FastAPI()
    place = open_installation(load_settings())
    place.registry.migrate()
    app.state.identify = identify
    app.state.place_of = lambda: place
    app.include_router(router)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
