"""The evidence of a version, as a browser of a signed-in user gets it from the board."""

import pytest
from fastapi.testclient import TestClient

from board.app import create_app
from board.gather import Gathering
from board.service import Desk
from packagers.evidence.documents import EvidenceReport, WorstSeconds
from packagers.evidence.page import evidence_page
from pipeline.gates import links_of
from pipeline.verifying import evidence_key
from pipeline.worst import picture_key
from telecine.protection import KeyAssignment
from telecine.publication import Inventory, Package
from tests.unit.board_fakes import Pipeline, add, identify, installation

VERSION = "v0123456789abcdef"
PICTURE = f"evidence/{VERSION}-1080p-source.jpg"
VIEWER = {"x-caller": "kim:viewer"}


@pytest.fixture
def place(tmp_path):
    found = installation(tmp_path)
    add(found, "film", "Film", stage="approve")
    package = Package(
        title_id="film",
        version=VERSION,
        prefix=f"packages/film/{VERSION}/",
        inventory=Inventory(title_id="film", version=VERSION, entries=()),
        dash_path="manifest.mpd",
        hls_path="master.m3u8",
        scheme="clear",
        keys=KeyAssignment(title_id="film", kids={}),
    )
    worst = WorstSeconds(name="1080p", start="3/2", vmaf=70, source_picture=PICTURE, rendition_picture=PICTURE)
    report = EvidenceReport(package="film", manifests=(), tracks=(), faults=(), fetched=0, worst=(worst,))
    keep = {
        f"packages/film/{VERSION}.json": package.model_dump_json().encode(),
        evidence_key(package): report.model_dump_json().encode(),
        evidence_key(package, "html"): evidence_page(report).encode(),
        picture_key(package, PICTURE): b"a picture",
    }
    for key, content in keep.items():
        found.work.put_bytes(key, content, content_type="application/octet-stream")
    return found


@pytest.fixture
def client(place):
    app = create_app(lambda: place, identify)
    operations = Pipeline().operations()
    app.state.board_desk = lambda: Desk(place, operations, Gathering(place, operations))
    return TestClient(app, base_url="http://board.test")


def test_the_page_that_a_gate_links_to_is_served_with_the_pictures_it_names(client):
    link = links_of("", "film", "run-1", VERSION).evidence
    page = client.get(link, headers=VIEWER)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f'src="{PICTURE}"' in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    shown = client.get(str(page.url.join(PICTURE)), headers=VIEWER)
    assert (shown.content, shown.headers["content-type"]) == (b"a picture", "image/jpeg")
    assert client.get(f"/evidence/film/{VERSION}.json", headers=VIEWER).json()["package"] == "film"


@pytest.mark.parametrize("path", [f"{VERSION}.html", f"{VERSION}.json", PICTURE])
def test_evidence_is_for_the_signed_in(client, path):
    assert client.get(f"/evidence/film/{path}").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        f"/evidence/film/{VERSION[:-1]}0.html",
        f"/evidence/other/{VERSION}.html",
        f"/evidence/film/evidence/{VERSION}-none.jpg",
    ],
)
def test_what_is_not_kept_is_not_found(client, path):
    answer = client.get(path, headers=VIEWER)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/evidence/film/..%2F..%2Fkeys.json", "/evidence/film/evidence/..%2F..%2Fx.jpg"])
def test_nothing_else_of_the_store_is_served(client, path):
    assert client.get(path, headers=VIEWER).status_code in {404, 422}
