"""The release board served by uvicorn on a real registry, for browser tests; the caller comes in a cookie."""

import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import uvicorn

from board.app import create_app
from telecine.document import digest_of
from telecine.media import FrameRate
from telecine.rendition import Quality, Rendition, RenditionSet
from telecine.tools import tool_path
from tests.e2e.playback_stand import free_port
from tests.unit.board_fakes import Pipeline, add, identify, installation, pointer


def hours(count):
    return datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=count)


def furnished(folder):
    """An installation with titles at many stages, and what its pipeline would do."""
    place, pipeline = installation(folder), Pipeline()
    add(place, "night-train", "Night Train", launch_at=hours(1), stage="encode")
    add(place, "snow", "Snow Country", priority="high", launch_at=hours(2), stage="encode")
    add(place, "estuary", "The Estuary", priority="high", launch_at=hours(3), stage="measure")
    add(place, "tin-drum", "Letters to a Lighthouse Keeper", stage="package")
    add(place, "winter", "Winter Orchard", priority="low", stage="submitted")
    add(
        place,
        "broken",
        "Paper Lanterns",
        stage="failed",
        problem="encode: chunk 12 failed three times: invalid NAL unit size",
    )
    add(place, "harbour", "Harbour Lights")
    for seq, version in enumerate(("v1a2b3c4d5e6f708", "v9f8e7d6c5b4a392"), 1):
        place.registry.set_live("harbour", pointer("harbour", version, seq))
    pipeline.kept["harbour"] = ["v9f8e7d6c5b4a392", "v1a2b3c4d5e6f708"]
    pipeline.ask(place, "tin-drum")
    for number, title_id in enumerate(("night-train", "snow", "estuary", "tin-drum", "harbour", "winter")):
        give_poster(place, title_id, number)
    give_quality(place, "harbour")
    give_quality(place, "tin-drum")
    return place, pipeline


def give_poster(place, title_id, number):
    """Thumbnails of a live version, as the packager leaves them, or a picture that was made of the master before."""
    hue = f"hue=h={number * 55}:s=0.8"
    source = (
        "testsrc2=s=192x108" if number % 2 else "gradients=s=192x108:c0=0x123a5c:c1=0xd98a4b:x0=0:y0=0:x1=190:y1=100"
    )
    command = [
        tool_path("ffmpeg"),
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        source,
        "-vf",
        hue,
        "-frames:v",
        "1",
        "-f",
        "mjpeg",
        "-",
    ]
    picture = subprocess.run(command, check=True, capture_output=True).stdout
    record = place.registry.title(title_id)
    if record.live is not None:
        prefix = f"p/{title_id}/{record.live.version}"
        place.origin.put_bytes(f"{prefix}/thumbnails/1.jpg", picture, content_type="image/jpeg")
        cue = b"WEBVTT\n\n00:00.000 --> 00:10.000\nthumbnails/1.jpg#xywh=0,0,192,108\n"
        place.origin.put_bytes(f"{prefix}/thumbnails.vtt", cue, content_type="text/vtt")
        return
    sha256 = digest_of(title_id)
    place.registry.remember_master(title_id, sha256)
    key = f"posters/{digest_of('poster', title_id, sha256[:16])}.jpg"
    place.work.put_bytes(key, picture, content_type="image/jpeg")


def give_quality(place, title_id):
    def rung(name, width, height, mean):
        quality = Quality(
            model="vmaf_v0.6.1", mean=mean, harmonic_mean=mean, percentile_1=mean, percentile_5=mean, frames_measured=9
        )
        return Rendition(
            name=name, kind="video", codec="avc1.64001f", label="HD", key=f"r/{name}", sha256="0" * 64, size_bytes=1,
            duration="10", average_bps=1, peak_bps=1, width=width, height=height, quality=quality,
        )  # fmt: skip

    found = RenditionSet(
        plan_digest="0" * 64,
        frames=240,
        frame_rate=FrameRate(numerator=24, denominator=1),
        gop_frames=48,
        segment_frames=96,
        renditions=(rung("1080p", 1920, 1080, 95.4), rung("360p", 640, 360, 82.1)),
    )
    key = f"documents/renditionset/{title_id}.json"
    place.work.put_bytes(key, found.model_dump_json().encode(), content_type="application/json")
    place.registry.remember_document(title_id, "RenditionSet", key)


@contextmanager
def served(place, pipeline, port=None):
    """The board on a loopback port; yields its address and its application."""
    app = create_app(lambda: place, identify, pipeline.operations())
    port = port or free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", app
    finally:
        server.should_exit = True
        thread.join()
