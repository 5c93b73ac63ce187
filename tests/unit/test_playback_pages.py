import logging
import re

import pytest
from fastapi.testclient import TestClient

from playback.app import create_app
from playback.player.pages import PLAYER_LIBRARY, WEB_ROOT
from playback.quiet import hide_queries_in_access_log
from tests.unit.playback_fakes import parts, settings

PAGES = ["/", "/player/bunny", "/docs"]


@pytest.fixture
def client():
    return TestClient(create_app(settings(), parts()))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_from_anywhere_else(client, path):
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert address.startswith(("/", "?")), address
        assert not address.startswith("//"), address
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_pages_may_reach_the_edges_and_the_service_and_nothing_else(client):
    policy = client.get("/player/bunny").headers["content-security-policy"]
    connect = next(part for part in policy.split("; ") if part.startswith("connect-src"))
    assert connect.split()[1:] == [
        "'self'",
        "http://localhost:8600",
        "http://edge-a.localhost:8601",
        "http://edge-b.localhost:8602",
    ]


@pytest.mark.parametrize("path", PAGES)
def test_every_asset_a_page_names_is_served(client, path):
    names = re.findall(r'="(/assets/[^"]+)"', client.get(path).text)
    assert names
    for name in names:
        if name.endswith("shaka-player.js") and not PLAYER_LIBRARY.is_file():
            continue
        asset = client.get(name)
        assert asset.status_code == 200, name
        assert asset.headers["x-content-type-options"] == "nosniff"


def test_every_module_a_script_imports_is_served(client):
    for script in WEB_ROOT.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text()):
            assert client.get(f"/assets/{name}").status_code == 200, (script.name, name)


@pytest.mark.parametrize("name", ["package.json", "..%2fapp.py", "node_modules", ".npmrc", "player.html"])
def test_nothing_but_assets_is_served_from_the_web_folder(client, name):
    assert client.get(f"/assets/{name}").status_code == 404


def test_a_player_page_of_an_impossible_title_is_a_problem_document(client):
    answer = client.get("/player/Not A Title")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_access_log_shows_no_query():
    hide_queries_in_access_log()
    hide_queries_in_access_log()
    access = logging.getLogger("uvicorn.access")
    args = ("127.0.0.1:5", "GET", "/player/bunny?token=S3CRET&format=hls", "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, __file__, 1, '%s - "%s %s HTTP/%s" %d', args, None)
    assert access.filter(record)
    assert record.getMessage() == '127.0.0.1:5 - "GET /player/bunny HTTP/1.1" 200'
    assert len([known for known in access.filters if type(known).__name__ == "_NoQuery"]) == 1
