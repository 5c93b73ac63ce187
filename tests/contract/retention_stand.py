"""Titles and what their runs leave in the work bucket, on any store, without an encode."""

import shutil
from datetime import UTC, datetime, timedelta

from pydantic import SecretBytes

from encoders.documents import EncodePlan
from encoders.plan import plan_encode
from pipeline import shelf
from pipeline.installation import Installation
from pipeline.working import keys_of, note
from profiles.load import load_profile
from profiles.select import choose_ladder
from telecine.keystore import SealedKeyStore
from telecine.media import FrameRate
from telecine.publication import Pointer
from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.rendition import Rendition, RenditionSet
from telecine.settings import Settings
from telecine.storage.memory import MemoryStore
from telecine.title import SubmitRequest
from tests.unit.test_encoders_planning import a_probe

NOW = datetime(2030, 5, 1, tzinfo=UTC)
DELIVERY = "0123456789abcdef"
UPLOADED = f"masters/{DELIVERY}/my film.mov"


def an_installation(tmp_path, migrated, store):
    shutil.copy(migrated, tmp_path / "registry.db")
    return Installation(
        settings=Settings(data_dir=tmp_path, work_bucket="work"),
        work=store,
        keys=SealedKeyStore(MemoryStore(), SecretBytes(b"m" * 32)),
        open_bucket=lambda _: store,
        origin=MemoryStore(),
        registry=Registry(f"sqlite:///{tmp_path / 'registry.db'}"),
    )


def planned(master="ab") -> EncodePlan:
    probe = a_probe(packets=240)
    probe = probe.model_copy(update={"master": probe.master.model_copy(update={"sha256": master * 32})})
    return plan_encode(
        probe, choose_ladder(load_profile("standard"), probe), chunk_seconds=5, threads=1, toolchain="ffmpeg 9"
    )


def renditions(plan) -> RenditionSet:
    made = Rendition(
        name="480p", kind="video", codec="avc1", label="SD", key=f"renditions/{plan.digest}.mp4", sha256="0" * 64,
        size_bytes=9, duration="10", average_bps=1, peak_bps=1, width=640, height=360, frames=240,
    )  # fmt: skip
    rate = FrameRate(numerator=24, denominator=1)
    return RenditionSet(
        plan_digest=plan.digest, frames=240, frame_rate=rate, gop_frames=24, segment_frames=48, renditions=(made,)
    )


def put(place, *keys):
    for key in keys:
        place.work.put_bytes(key, b"of " + key.encode(), content_type="video/mp4")


def made(place, title_id, plan, run_id="run-1", *, noted=True, uri="file:///m.mov"):
    """A title with everything a run of it leaves in the work bucket, not live yet."""
    request = SubmitRequest(master_uri=uri, title_id=title_id, name=title_id)
    place.registry.submit(request, run_id)
    for document in (request, plan.master, plan, renditions(plan)):
        if noted:
            note(place.work, title_id, run_id, document)
        name = type(document).__name__
        place.registry.remember_document(title_id, name, shelf.keep(place.work, document))
        put(place, *keys_of(document))
    put(
        place, *(f"packages/{title_id}/v1{end}" for end in ("/manifest.mpd", "/video/1.m4s", ".json", ".evidence.json"))
    )
    place.registry.enter(title_id, Stage.PACKAGE)


def live(place, title_id, days=20, seq=1):
    pointer = Pointer(
        title_id=title_id, version="v1", seq=seq, dash_path="manifest.mpd", hls_path="master.m3u8", previous=None,
        live_at=NOW - timedelta(days=days), kids={},
    )  # fmt: skip
    place.registry.set_live(title_id, pointer)


def held(place, *prefixes):
    return {stored.key for prefix in prefixes for stored in place.work.list(prefix)}


def large(place):
    return held(place, "chunks/", "audio/", "renditions/") | {key for key in held(place, "packages/") if "/v1/" in key}


def clears(place, title_id="film"):
    return [change for change in ChangeLog(place.registry).changes(title_id) if change.action == "clear"]
