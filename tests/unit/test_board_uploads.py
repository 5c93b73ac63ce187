"""What may be uploaded, how it is cut, and what is submitted of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from board.access import Caller
from board.problems import install_problems
from board.uploads import router
from board.uploads.background import Background
from board.uploads.checking import Checks
from board.uploads.planning import cost_of
from board.uploads.rules import UploadRefused, launch_time, part_bytes
from board.uploads.schemas import StartRequest, UploadState
from board.uploads.service import UploadService, forget_stale_uploads
from board.uploads.wiring import Desk
from pipeline.installation import Installation
from pipeline.release import Submitted
from telecine.registry.changes import ChangeLog
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore
from telecine.storage.multipart import MOST_PARTS

MIB = 1 << 20
OPS = Caller(name="olga", role="ops")
DELIVERY = "0123456789abcdef"


class PartsInMemory(MemoryStore):
    """A store whose parts arrive by ``send`` instead of by an address."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, str] = {}

    def allow_pages(self) -> None:
        pass

    def create_multipart(self, key, **_):
        self.open[f"multipart-{len(self.open)}"] = key
        return f"multipart-{len(self.open) - 1}"

    def list_parts(self, *_):
        return ()

    def abort_multipart(self, _, multipart_id):
        self.open.pop(multipart_id, None)


@pytest.fixture
def place(tmp_path):
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    registry.migrate()
    store = PartsInMemory()
    settings = Settings(data_dir=tmp_path / "data")
    keys = SimpleNamespace()
    return Installation(
        settings=settings, work=store, keys=keys, open_bucket=lambda _: store, origin=store, registry=registry
    )


def uploaded(service, name, kind, content=b"x", who=OPS):
    """An upload that has arrived and was found right."""
    wanted = StartRequest(name=name, size_bytes=len(content), kind=kind, delivery=DELIVERY)
    upload = service.start(who, wanted).upload
    service.store.put_bytes(upload.key, content, content_type="a/b")
    ready = {"state": UploadState.READY, "sha256": "0" * 64}
    return service.uploads.change(upload.upload_id, {UploadState.UPLOADING}, lambda one: one.model_copy(update=ready))


@pytest.fixture
def board(place):
    """The routes with a made-up submission that remembers."""
    app = FastAPI()
    submitted = []

    def submit(_, params):
        submitted.append(params)
        return Submitted(title_id=params["title_id"], run_id="run")

    async def identify(_):
        return OPS

    service = UploadService(place)
    app.state.identify = identify
    app.state.upload_desk = Desk(place, service, Checks(service), submit=submit)
    app.include_router(router)
    install_problems(app)
    return SimpleNamespace(client=TestClient(app), submitted=submitted, service=service, place=place)


@given(st.integers(1, 5 << 40), st.integers(5 * MIB, 64 * MIB))
def test_no_upload_needs_more_parts_than_s3_allows(size, least):
    part = part_bytes(size, least)
    assert -(-size // part) <= MOST_PARTS
    assert part >= least


def test_a_launch_time_is_that_of_its_zone():
    assert launch_time("2027-07-01T20:00", "Europe/Berlin") == datetime(2027, 7, 1, 18, tzinfo=UTC)
    assert launch_time("2027-01-01T20:00", "Europe/Berlin") == datetime(2027, 1, 1, 19, tzinfo=UTC)
    assert launch_time(None, "UTC") is None
    assert launch_time("", "UTC") is None


@pytest.mark.parametrize(
    ("local", "zone", "said"),
    [
        ("2027-03-28T02:30", "Europe/Berlin", "clocks are put forward"),
        ("2027-03-28T02:30", "Europe/Nowhere", "not understood"),
        ("tomorrow", "UTC", "not understood"),
        ("2027-03-28T02:30", "../../etc/passwd", "not understood"),
    ],
)
def test_a_launch_time_that_is_none_is_refused(local, zone, said):
    with pytest.raises(UploadRefused, match=said):
        launch_time(local, zone)


def test_costs_are_told_only_at_configured_prices():
    assert cost_of(Settings(), 7200, 10**9) is None
    both = cost_of(Settings(price_cpu_hour=0.05, price_gb_month=0.02), 7200, 3 * 10**9)
    assert (both.encode, both.storage_month) == (pytest.approx(0.1), pytest.approx(0.06))
    unknown = cost_of(Settings(price_cpu_hour=0.05), None, 10**9)
    assert (unknown.encode, unknown.storage_month) == (None, None)


def test_a_person_starts_a_title_from_what_was_uploaded(board):
    master = uploaded(board.service, "Der Film?.mov", "master")
    text = uploaded(board.service, "film.pt-BR.srt", "subtitles")
    other = uploaded(board.service, "untold.srt", "subtitles")
    fields = {"title_id": "film", "name": "Der Film", "profile": "proxy", "priority": "high"}
    launch = {"launch_local": "2027-07-01T20:00", "zone": "Europe/Berlin"}
    path = f"/api/v1/uploads/{master.upload_id}/start"
    refused = board.client.post(path, json={**fields, **launch})
    assert refused.status_code == 422
    assert "language of untold.srt" in refused.json()["detail"]
    answer = board.client.post(path, json={**fields, **launch, "languages": {other.upload_id: "de"}})
    assert answer.json()["title_id"] == "film"
    (params,) = board.submitted
    base = f"s3://telecine-work/masters/{DELIVERY}"
    assert params["master_uri"] == f"{base}/Der%20Film%3F.mov"
    assert params["launch_at"] == "2027-07-01T20:00:00+02:00"
    assert params["priority"] == "high"
    assert sorted((one["uri"], one["language"]) for one in params["texts"]) == [
        (f"{base}/{text.name}", "pt-BR"),
        (f"{base}/{other.name}", "de"),
    ]
    (change,) = ChangeLog(board.place.registry).changes()
    assert (change.who, change.action, change.title_id) == ("olga", "submit", "film")
    assert change.after["profile"] == "proxy"


def test_a_title_does_not_start_while_a_file_beside_it_is_on_its_way(board):
    master = uploaded(board.service, "film.mov", "master")
    wanted = StartRequest(name="film.en.srt", size_bytes=1, kind="subtitles", delivery=DELIVERY)
    board.service.start(OPS, wanted)
    answer = board.client.post(f"/api/v1/uploads/{master.upload_id}/start", json={"title_id": "film", "name": "Film"})
    assert answer.status_code == 422
    assert "film.en.srt is uploading" in answer.json()["detail"]
    assert board.submitted == []


def test_sound_beside_a_master_needs_one_sidecar_that_says_what_it_is(board):
    master = uploaded(board.service, "film.mov", "master", b"film")
    uploaded(board.service, "de.wav", "audio", b"sound")
    path, fields = f"/api/v1/uploads/{master.upload_id}/start", {"title_id": "film", "name": "Film"}
    assert "one YAML sidecar" in board.client.post(path, json=fields).json()["detail"]
    uploaded(board.service, "film.audio.yaml", "audio", b"tracks: []")
    assert board.client.post(path, json=fields).status_code == 200
    (params,) = board.submitted
    assert params["master_uri"].startswith("file://")
    assert params["master_uri"].endswith("/film.mov")
    assert params["sound_uri"] == params["master_uri"].replace("film.mov", "film.audio.yaml")


def test_an_upload_at_rest_for_days_is_given_up_and_one_that_goes_on_is_not(place):
    service = UploadService(place)
    old = service.start(OPS, StartRequest(name="old.mov", size_bytes=1, kind="master", delivery=DELIVERY)).upload
    ready = uploaded(service, "ready.mov", "master")
    later = datetime.now(UTC) + timedelta(days=8)
    assert forget_stale_uploads(place, later - timedelta(days=2)) == ()
    assert [one.upload_id for one in forget_stale_uploads(place, later)] == [old.upload_id]
    assert old.multipart_id not in service.store.open
    assert service.uploads.get(ready.upload_id).state is UploadState.READY
    assert service.store.head(ready.key) is not None
    assert forget_stale_uploads(place, later) == ()


def test_of_changes_at_once_none_is_lost(place):
    service = UploadService(place)
    upload = service.start(OPS, StartRequest(name="a.mov", size_bytes=1, kind="master", delivery=DELIVERY)).upload
    uploading = {UploadState.UPLOADING}

    def more(one):
        return one.model_copy(update={"problem": f"{one.problem or ''}x", "updated_at": datetime.now(UTC)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: service.uploads.change(upload.upload_id, uploading, more), range(40)))
        list(pool.map(lambda _: service.uploads.touch(upload.upload_id, datetime.now(UTC)), range(8)))
    assert service.uploads.get(upload.upload_id).problem == "x" * 40


def test_a_piece_of_work_is_done_once_however_often_it_is_asked_for():
    done = []
    work = Background("test")
    assert [work.ask("a", lambda: done.append(1) or len(done)).result() for _ in range(5)] == [1] * 5
    work.forget("a")
    assert work.ask("a", lambda: done.append(1) or len(done)).result() == 2
    few = Background("test", kept=3)
    for number in range(10):
        few.ask(str(number), lambda: 0).result()
    assert len(few._pieces) <= 4
