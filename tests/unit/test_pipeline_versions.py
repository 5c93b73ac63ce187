"""Versions on stores in memory with real agents' files: roll-back, its audit, retirement, resumption."""

import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes
from sqlalchemy import select

from origin.pointer import read_pointer
from origin.publish import publish
from pipeline import placing, retiring, versions
from pipeline.installation import Installation
from pipeline.retiring import due, retire_old
from pipeline.submission import is_current
from telecine.changes import TitleChange
from telecine.errors import NotFound, PreconditionFailed, TelecineError, Unavailable
from telecine.keystore import SealedKeyStore
from telecine.protection import KeyAssignment
from telecine.publication import Edge, FillReceipt, Inventory, InventoryEntry, Package, Publication
from telecine.registry.models import ChangeRow
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.registry.versions import VersionLedger
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore
from telecine.title import SubmitRequest
from telecine.versions import VersionRecord

TITLE = "bunny"
LATER = timedelta(days=100)
EDGES = tuple(
    Edge(name=f"edge-{n}", base_url=f"http://edge-{n}.localhost", agent_url=f"http://127.0.0.1:{n}") for n in (1, 2)
)


@dataclass
class Edges:
    """What edges hold, and how they answer the pipeline."""

    held: dict[tuple[str, str], FillReceipt] = field(default_factory=dict)
    told: list[list[str]] = field(default_factory=list)
    filling: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    silent: str | None = None

    def fill(self, edge, publication, _token):
        receipt = FillReceipt(
            edge=edge.name, title_id=publication.title_id, version=publication.version, objects=publication.objects,
            inventory_sha256=publication.inventory_sha256, size_bytes=publication.size_bytes, fetched_bytes=0,
            verified_at=datetime.now(UTC),
        )  # fmt: skip
        self.held[edge.name, publication.version] = receipt
        return receipt

    def held_by(self, edge, _title, version, _token):
        return self.held.get((edge.name, version))

    def drop(self, edge, _title, version, _token):
        if self.silent == edge.name:
            message = f"The agent of {edge.name} does not answer."
            raise Unavailable(message)
        if edge.name in self.filling:
            message = f"{edge.name} is being filled."
            raise PreconditionFailed(message)
        self.log.append(f"{edge.name} drops {version}")
        return self.held.pop((edge.name, version), None) is not None


@pytest.fixture
def edges(monkeypatch):
    made = Edges()
    monkeypatch.setattr(placing, "fill_edge", made.fill)
    monkeypatch.setattr(versions, "fill_edge", made.fill)
    monkeypatch.setattr(versions, "held_by", made.held_by)
    monkeypatch.setattr(retiring, "drop_version", made.drop)
    monkeypatch.setattr(placing, "publish_invalidation", lambda _, keys: made.told.append(list(keys)))
    monkeypatch.setattr(versions, "publish_invalidation", lambda _, keys: made.told.append(list(keys)))
    monkeypatch.setattr(retiring, "versions_playing", lambda _: frozenset())
    return made


@pytest.fixture
def place(tmp_path, edges, migrated):
    shutil.copy(migrated, tmp_path / "registry.db")
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    work = MemoryStore()
    return Installation(
        settings=Settings(data_dir=tmp_path, edges=EDGES, keep_versions=2, keep_days=10),
        work=work,
        keys=SealedKeyStore(MemoryStore(), SecretBytes(b"m" * 32)),
        open_bucket=lambda _: work,
        origin=MemoryStore(),
        registry=registry,
    )


def package(place, version, kid="a" * 32) -> Package:
    dashed = f"{kid[:8]}-{kid[8:12]}-{kid[12:16]}-{kid[16:20]}-{kid[20:]}"
    contents = {
        "video/480p/init.mp4": ("init", b"init"),
        "video/480p/1.m4s": ("segment", version.encode()),
        "master.m3u8": ("manifest", b"#EXTM3U"),
        "manifest.mpd": ("manifest", f'<MPD value="cbcs" cenc:default_KID="{dashed}"/>'.encode()),
    }
    entries = []
    for path, (role, content) in contents.items():
        place.work.put_bytes(f"packages/{TITLE}/{version}/{path}", content, content_type="video/mp4")
        entry = {"path": path, "size_bytes": len(content), "content_type": "video/mp4", "role": role}
        entries.append(InventoryEntry.model_validate(entry | {"sha256": hashlib.sha256(content).hexdigest()}))
    return Package(
        title_id=TITLE, version=version, prefix=f"packages/{TITLE}/{version}/", dash_path="manifest.mpd",
        inventory=Inventory(title_id=TITLE, version=version, entries=tuple(entries)), hls_path="master.m3u8",
        scheme="cbcs", keys=KeyAssignment(title_id=TITLE, kids={"SD": kid}),
    )  # fmt: skip


def request(master="m") -> SubmitRequest:
    return SubmitRequest(master_uri=f"file:///{master}.mov", title_id=TITLE, name="Bunny")


def released(place, version, *, partial=False, kid="a" * 32, rungs=("480p",)) -> Publication:
    place.registry.submit(request(version), f"run-{version}")
    place.registry.remember_master(TITLE, hashlib.sha256(version.encode()).hexdigest())
    publication = placing.publish(place, package(place, version, kid), rungs=rungs, partial=partial)
    receipts = [placing.fill(place, edge, publication) for edge in place.settings.edges]
    placing.go_live(place, publication, receipts)
    return publication


def back(place, version=None):
    return versions.roll_back(place, TITLE, version, who="cli:ada", why="the sound is out of step")


def audited(place):
    with place.registry.transaction() as session:
        return [TitleChange.model_validate(row.body) for row in session.scalars(select(ChangeRow))]


def names(place):
    return [record.version for record in versions.versions(place, TITLE)]


def test_every_published_version_is_listed_with_what_it_was_made_of(place):
    released(place, "v1")
    released(place, "v2", rungs=("480p", "1080p"))
    newest, first = versions.versions(place, TITLE)
    assert (newest.version, newest.live, first.version, first.live) == ("v2", True, "v1", False)
    assert newest.rungs == ("1080p", "480p")
    assert first.master_sha256 == hashlib.sha256(b"v1").hexdigest()
    assert first.live_at
    assert newest.live_at


def test_a_roll_back_goes_to_the_version_before_and_again_to_the_newer(place, edges):
    for version in ("v1", "v2"):
        released(place, version)
    pointer = back(place)
    assert (pointer.version, pointer.seq, pointer.previous) == ("v1", 3, "v2")
    assert read_pointer(TITLE, place.origin) == pointer == place.registry.live_pointer(TITLE)
    assert edges.told[-1] == [f"t/{TITLE}/current.json"]
    again = back(place)
    assert (again.version, again.seq, again.previous) == ("v2", 4, "v1")
    assert [record.version for record in versions.versions(place, TITLE) if record.live] == ["v2"]


def test_a_roll_back_is_audited_once_with_who_and_why(place, edges):
    for version in ("v1", "v2"):
        released(place, version)
    first = back(place, "v1")
    told = len(edges.told)
    assert back(place, "v1") == first, "what is live already stays"
    assert len(edges.told) == told + 1, "the edges are told once more"
    (change,) = audited(place)
    assert (change.who, change.action, change.why) == ("cli:ada", "roll_back", "the sound is out of step")
    assert (change.before["version"], change.after["version"]) == ("v2", "v1")


def test_a_roll_back_killed_after_the_flip_is_finished_by_the_next(place, monkeypatch):
    for version in ("v1", "v2"):
        released(place, version)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(VersionLedger, "rolled_back", killed)
        with pytest.raises(KeyboardInterrupt):
            back(place)
    assert read_pointer(TITLE, place.origin).version == "v1"
    assert place.registry.live_pointer(TITLE).version == "v2"
    pointer = back(place)
    assert (pointer.version, pointer.seq) == ("v1", 3), "asked again it does not turn round"
    assert place.registry.live_pointer(TITLE) == pointer
    assert len(audited(place)) == 1


def test_what_was_rolled_back_from_is_not_current_and_what_was_rolled_back_to_is(place):
    for version in ("v1", "v2"):
        released(place, version)
    back(place)
    record = place.registry.title(TITLE)
    assert not is_current(record, request("v2"), hashlib.sha256(b"v2").hexdigest())
    assert is_current(record, request("v1"), hashlib.sha256(b"v1").hexdigest())


def test_a_roll_back_leaves_the_stage_of_a_run_under_way(place):
    for version in ("v1", "v2"):
        released(place, version)
    place.registry.enter(TITLE, Stage.ENCODE)
    back(place)
    assert place.registry.title(TITLE).stage == Stage.ENCODE


@pytest.mark.parametrize("lost", ["edge-1", "edge-2"])
def test_a_version_that_an_edge_lost_is_refused_by_the_edges_name_until_it_is_filled(place, edges, lost):
    for version in ("v1", "v2"):
        released(place, version)
    del edges.held[lost, "v1"]
    before = read_pointer(TITLE, place.origin)
    with pytest.raises(NotFound, match=rf"not whole on edge {lost}.*--fill"):
        back(place)
    assert read_pointer(TITLE, place.origin) == before
    versions.refill(place, TITLE, "v1")
    assert back(place).version == "v1"


def test_unknown_first_and_never_live_are_refused_in_words(place):
    place.registry.submit(request(), "run")
    with pytest.raises(TelecineError, match="never live"):
        back(place)
    released(place, "v1")
    with pytest.raises(TelecineError, match="the first that went live"):
        back(place)
    with pytest.raises(NotFound, match="no version 'v9'"):
        back(place, "v9")


def test_versions_from_before_the_ledger_are_found_on_the_origin_with_their_keys(place, tmp_path, edges):
    old = place.keys.assign(TITLE, ["SD"]).kids["SD"]
    new = place.keys.rekey(TITLE).kids["SD"]
    place.registry.submit(request(), "run")
    for version, kid in (("v1", old), ("v2", new)):
        made = publish(package(place, version, kid), place.work, place.origin, tmp_path)
        for edge in EDGES:
            edges.fill(edge, made, None)
        pointer = placing.flip_pointer(made, place.origin, now=datetime.now(UTC))
    place.registry.set_live(TITLE, pointer)
    newest, first = versions.versions(place, TITLE)
    assert (newest.version, newest.live) == ("v2", True)
    assert newest.publication == made
    assert first.publication.keys.kids == {"SD": old}
    assert first.rungs == ("480p",)
    assert back(place).kids == {"SD": old}
    released(place, "v3")
    assert set(names(place)) == {"v1", "v2", "v3"}


def record(version, days, *, live=False, retired=False) -> VersionRecord:
    made_at = datetime(2026, 6, 1, tzinfo=UTC) - timedelta(days=days)
    publication = Publication(
        title_id=TITLE, version=version, prefix="p/", inventory_key="i", inventory_sha256="0" * 64, objects=1,
        size_bytes=1, dash_path="m", hls_path="h", keys=KeyAssignment(title_id=TITLE, kids={}),
    )  # fmt: skip
    return VersionRecord(
        title_id=TITLE, version=version, made_at=made_at, retired_at=made_at if retired else None,
        publication=publication, profile="standard", live=live,
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=8),
    st.integers(1, 4),
    st.integers(0, 40),
    st.integers(0, 7),
)
def test_retention_keeps_the_newest_the_young_and_the_live(made, count, days, live):
    now = datetime(2026, 6, 1, tzinfo=UTC)
    records = [record(f"v{n}", age, live=n == live, retired=gone and n != live) for n, (age, gone) in enumerate(made)]
    late = due(records, now, keep_versions=count, keep_days=days)
    there = [one for one in records if one.retired_at is None]
    assert not any(one.live or one.retired_at for one in late)
    assert all(now - one.made_at > timedelta(days=days) for one in late)
    assert len(there) - len(late) >= min(count, len(there))
    newest = sorted(there, key=lambda one: (one.made_at, one.version), reverse=True)[:count]
    spared = [one for one in there if one not in late and not one.live and one not in newest]
    assert all(now - one.made_at <= timedelta(days=days) for one in spared), "whoever is kept has a reason"


def old_place(place, versions_made=("v1", "v2", "v3", "v4")):
    for version in versions_made:
        released(place, version)
    return datetime.now(UTC) + LATER


def test_what_is_beyond_count_and_age_leaves_edges_then_origin_then_the_list(place, edges):
    now = old_place(place)
    order = edges.log
    real = place.origin.delete
    place.origin.delete = lambda key: (order.append(key), real(key))
    outcome = retire_old(place, now=now)
    assert [(one.version, one.outcome) for one in outcome] == [("v1", "retired"), ("v2", "retired")]
    assert order[:2] == ["edge-1 drops v1", "edge-2 drops v1"]
    gone = [key for key in order if key.startswith("p/bunny/v1/")]
    assert gone[-1] == "p/bunny/v1/inventory.json"
    assert not list(place.origin.list("p/bunny/v1/"))
    assert list(place.origin.list("p/bunny/v3/"))
    assert {one.version for one in versions.versions(place, TITLE) if one.retired_at} == {"v1", "v2"}
    assert retire_old(place, now=now) == ()
    with pytest.raises(NotFound, match="retired"):
        back(place, "v1")
    assert [change.action for change in audited(place)] == ["retire", "retire"]


def test_a_dry_run_touches_nothing(place, edges):
    now = old_place(place)
    held = dict(edges.held)
    assert [one.outcome for one in retire_old(place, dry_run=True, now=now)] == ["due", "due"]
    assert edges.held == held
    assert len(retire_old(place, now=now)) == 2


def test_the_young_are_kept_whatever_their_number(place):
    old_place(place)
    assert retire_old(place) == ()


def test_a_version_that_was_rolled_back_to_is_live_and_stays(place):
    now = old_place(place)
    back(place, "v1")
    assert [one.version for one in retire_old(place, now=now)] == ["v2"]


def test_a_version_that_a_session_plays_is_spared_until_it_ends(place, monkeypatch):
    now = old_place(place)
    with monkeypatch.context() as watching:
        watching.setattr(retiring, "versions_playing", lambda _: frozenset({(TITLE, "v1")}))
        outcome = {one.version: one.outcome for one in retire_old(place, now=now)}
        assert outcome == {"v1": "spared", "v2": "retired"}
    assert [(one.version, one.outcome) for one in retire_old(place, now=now)] == [("v1", "retired")]


def test_nothing_is_retired_while_nobody_knows_what_plays(place, monkeypatch, edges):
    now = old_place(place)

    def silent(_):
        message = "The session store does not answer."
        raise Unavailable(message)

    monkeypatch.setattr(retiring, "versions_playing", silent)
    with pytest.raises(Unavailable):
        retire_old(place, now=now)
    assert len(edges.held) == 8


def test_a_version_that_is_being_filled_is_spared_and_can_be_rolled_back_to(place, edges):
    now = old_place(place)
    edges.filling = {"edge-1"}
    assert {one.outcome for one in retire_old(place, now=now)} == {"spared"}
    assert back(place, "v1").version == "v1"


def test_a_title_under_way_keeps_everything(place):
    now = old_place(place)
    place.registry.enter(TITLE, Stage.FILL)
    assert {one.why for one in retire_old(place, now=now)} == {"the title is under way (fill)"}


def test_a_version_out_of_sight_for_minutes_only_is_spared(place):
    now = old_place(place)
    back(place, "v3")
    moment = datetime.now(UTC) + timedelta(minutes=5)
    held = place.settings.model_copy(update={"keep_days": 0, "keep_versions": 1})
    hurried = Installation(held, place.work, place.keys, place.open_bucket, place.origin, place.registry)
    assert {one.outcome for one in retire_old(hurried, now=moment)} == {"spared"}
    assert {one.outcome for one in retire_old(hurried, now=now)} == {"retired"}


class Dying:
    """Ends the process, so to speak, at the n-th step that leaves a trace outside."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", range(1, 18))
def test_a_retirement_killed_at_any_step_is_finished_by_the_next_and_never_half_live(place, edges, monkeypatch, at):
    now = old_place(place, ("v1", "v2", "v3"))
    dying, drop, delete, retired = Dying(at), edges.drop, place.origin.delete, VersionLedger.retired
    with monkeypatch.context() as mortal:
        mortal.setattr(retiring, "drop_version", lambda *a: (dying.step(), drop(*a), dying.step())[1])
        mortal.setattr(place.origin, "delete", lambda key: (dying.step(), delete(key), dying.step())[1])
        mortal.setattr(VersionLedger, "retired", lambda *a: (dying.step(), retired(*a), dying.step())[1])
        try:
            retire_old(place, now=now)
        except KeyboardInterrupt:
            left = [stored.key for stored in place.origin.list("p/bunny/v1/")]
            assert not left or "p/bunny/v1/inventory.json" in left, "what is left can be named"
            with pytest.raises((PreconditionFailed, NotFound)):
                back(place, "v1")
            assert read_pointer(TITLE, place.origin).version == "v3"
    retire_old(place, now=now)
    assert not list(place.origin.list("p/bunny/v1/"))
    assert not [key for key in edges.held if key[1] == "v1"]
    (change,) = audited(place)
    assert change.before == {"version": "v1"}
    assert list(place.origin.list("p/bunny/v2/"))


def test_an_edge_that_is_away_is_waited_for_and_the_version_can_neither_go_live_nor_be_made(place, edges):
    now = old_place(place)
    edges.silent = "edge-2"
    assert {one.outcome for one in retire_old(place, now=now)} == {"waits"}
    with pytest.raises(NotFound):
        back(place, "v1")
    with pytest.raises(Unavailable, match="being removed"):
        placing.publish(place, package(place, "v1"))
    edges.silent = None
    assert {one.outcome for one in retire_old(place, now=now)} == {"retired"}
    released(place, "v1")
    assert place.registry.live_pointer(TITLE).version == "v1"
    assert next(one for one in versions.versions(place, TITLE) if one.version == "v1").retired_at is None


def test_a_partial_version_is_live_and_not_the_whole_profile(place):
    released(place, "v1", partial=True)
    title = place.registry.title(TITLE)
    assert (title.stage, title.live_profile) == (Stage.LIVE, None)
    assert not is_current(title, request("v1"), hashlib.sha256(b"v1").hexdigest())
    assert versions.versions(place, TITLE)[0].partial
    released(place, "v2")
    back(place)
    assert place.registry.title(TITLE).live_profile is None
