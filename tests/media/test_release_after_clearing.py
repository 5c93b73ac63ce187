"""A title whose work was removed is released again: what is gone is made again, by real encodes, to the same bytes."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretBytes

from pipeline import placing, steps
from pipeline.clearing import clear_old
from pipeline.encoding_here import encode_here
from pipeline.installation import Installation
from pipeline.working import note
from telecine.keystore import SealedKeyStore
from telecine.publication import Pointer
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore
from telecine.title import SubmitRequest
from tests.media.encoders_clips import numbered_clip

pytestmark = pytest.mark.media

TITLE = "bunny"
PROFILE = """
name: tiny
summary: to be made twice
gop_seconds: 1
segment_gops: 2
video:
  - {name: small, codec: x264, width: 160, height: 90, crf: 30, max_bps: 500_000, preset: ultrafast}
audio:
  - {name: stereo, codec: aac, channels: 2, bitrate_bps: 96_000}
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "tiny.yaml").write_text(PROFILE)
    registry = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    registry.migrate()
    work = LocalStore(tmp_path / "store")
    return Installation(
        settings=Settings(data_dir=tmp_path, catalogue_dir=tmp_path, chunk_seconds=2, worker_slots=1),
        work=work,
        keys=SealedKeyStore(LocalStore(tmp_path / "keys"), SecretBytes(b"m" * 32)),
        open_bucket=lambda _: work,
        origin=MemoryStore(),
        registry=registry,
    )


def released(place, clip, run_id):
    """The tasks of a release up to its publication, as the DAG has them; and how much was encoded for it."""
    request = SubmitRequest(master_uri=clip.as_uri(), title_id=TITLE, name="Bunny", profile="tiny")
    place.registry.submit(request, run_id)
    plan = steps.plan(place, steps.inspect(place, steps.register(place, request)), "tiny")
    note(place.work, TITLE, run_id, plan)
    encoded = sum(chunk.encoded for chunk in encode_here(plan, place))
    renditions = steps.assemble(place, plan)
    note(place.work, TITLE, run_id, renditions)
    package = steps.package(place, TITLE, plan.ladder.packaging, renditions)
    steps.verify(place, package, renditions, plan)
    publication = placing.publish(place, package)
    place.registry.set_live(TITLE, Pointer(
        title_id=TITLE, version=package.version, seq=1, dash_path="manifest.mpd", hls_path="master.m3u8",
        live_at=datetime.now(UTC) - timedelta(days=20), previous=None, kids={},
    ))  # fmt: skip
    return encoded, renditions, publication


def test_a_title_is_released_again_after_its_work_was_removed(place, tmp_path):
    clip = numbered_clip(tmp_path / "film.mp4", seconds="4", sound=["-f", "lavfi", "-i", "sine=440:d=4"])
    encoded, *first = released(place, clip, "run-1")
    assert encoded == 3  # two chunks of pictures and the sound
    (told,) = clear_old(place)
    assert (told.outcome, list(place.work.list("chunks/"))) == ("retired", [])
    before = {stored.key: stored.etag for stored in place.origin.list("")}
    encoded, *again = released(place, clip, "run-2")
    assert encoded == 3
    assert again == first
    assert {stored.key: stored.etag for stored in place.origin.list("")} == before
