"""One installation without Airflow on real Redis and S3, and the Celery workers started for it."""

import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pydantic import SecretBytes

from encoders.leases import LeaseBoard
from pipeline.encoding import QueuedEncode
from pipeline.installation import Installation
from profiles.models import Profile, VideoRung
from telecine.errors import Unavailable
from telecine.keystore import SealedKeyStore
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.title import Priority, SubmitRequest
from tests.media.encoders_clips import planned

PATIENCE_S = 60
QUICK = {"codec": "x264", "preset": "ultrafast", "crf": 28, "max_bps": 400_000}


class Stand:
    """One installation without Airflow, and the workers started for it."""

    def __init__(self, folder, redis, s3, program) -> None:
        self.data = folder / "data"
        self.redis, self.s3, self.program = redis, s3, program
        self.settings = Settings(data_dir=self.data, lease_s=3, redis_url=redis.url.get_secret_value())
        registry = Registry(self.settings.registry_url)
        registry.migrate()
        store = s3.store("telecine-work")
        self.place = Installation(
            settings=self.settings,
            work=store,
            origin=store,
            keys=SealedKeyStore(LocalStore(folder / "keys"), SecretBytes(b"k" * 32)),
            registry=registry,
            open_bucket=lambda _: store,
        )
        self.board = LeaseBoard(redis.url, 3)

    def environment(self):
        return {
            "TELECINE_DATA_DIR": str(self.data),
            "TELECINE_REDIS_URL": self.redis.url.get_secret_value(),
            "TELECINE_S3_ENDPOINT": self.s3.endpoint,
            "TELECINE_S3_ACCESS_KEY": self.s3.access_key,
            "TELECINE_S3_SECRET_KEY": self.s3.secret_key.get_secret_value(),
            "TELECINE_LEASE_S": "3",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def worker(self, queue, **environment):
        argv = [sys.executable, "-m", "celery", "-A", "encoders.queue", "worker", "--queues", queue]
        argv += ["--concurrency", "1", "--hostname", f"{queue}@%h", "--without-gossip", "--without-mingle"]
        made = self.program(argv, self.data / f"worker-{queue}", self.environment() | environment)
        made.start()
        return made

    def follow(self, title, plan, priority=Priority.NORMAL):
        """A new attempt at a title's encode, its jobs enqueued."""
        request = SubmitRequest(master_uri=plan.master.uri, title_id=title, name=title, priority=priority)
        self.place.registry.submit(request, "run")
        encode = QueuedEncode(self.place, title)
        encode.start(plan)
        return encode

    def encoders(self):
        """The ffmpeg processes of this stand's workers, by pid."""
        found = {}
        for process in psutil.process_iter(["name", "cmdline"]):
            words = process.info["cmdline"] or []
            if "ffmpeg" in (process.info["name"] or "") and any(str(self.data) in word for word in words):
                found[process.pid] = process
        return found

    def scratch(self):
        return list((self.data / "work").glob("encode-*"))


def until(condition, what, *encodes):
    """What ``condition`` finds at last, the dispatchers of ``encodes`` ticking meanwhile."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for encode in encodes:
            with suppress(Unavailable):
                encode.tick()
        if found := condition():
            return found
        time.sleep(0.1)
    return pytest.fail(f"not within {PATIENCE_S} s: {what}")


def a_plan(clip, folder, chunk_seconds=20, **rung):
    made = VideoRung(**{"name": "only", "width": 320, "height": 180, **QUICK, **rung})
    profile = Profile(name="one", summary="", gop_seconds=1, segment_gops=1, video=(made,), audio=())
    return planned(clip, folder, profile, chunk_seconds=chunk_seconds)


def is_done(encode):
    progress = encode.progress()
    return progress.chunks_done == progress.chunks_total
