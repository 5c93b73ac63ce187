"""The main job, end to end, on the real stack: a master becomes a live, encrypted, playable title."""

import hashlib
import json
import subprocess
import time

import httpx
import psutil
import pytest

from pipeline import shelf
from pipeline.airflow_api import AirflowApi
from pipeline.encoding import read_progress
from telecine.registry.records import Stage
from telecine.rendition import RenditionSet
from telecine.tools import tool_path
from tests.e2e.playback_browser import watch
from tests.e2e.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def live_title(stack, make_clip):
    master = make_clip("first master.mp4", seconds=14, size="640x360", rate="24", noise=4)
    record = stack.answer("submit", str(master), "--title", "first", "--priority", "high", "--wait")
    assert record["stage"] == "live"
    return record


def fetch(edge, path, **headers):
    """From an edge as a browser would: its own host name, over loopback."""
    port = httpx.URL(edge.base_url).port
    host = httpx.URL(edge.base_url).host
    return httpx.get(f"http://127.0.0.1:{port}/{path}", headers={"Host": f"{host}:{port}", **headers})


def test_every_program_runs_and_listens_on_loopback_only(stack):
    status = stack.answer("status")
    assert {p["state"] for p in status["programs"]} == {"RUNNING"}
    sockets = stack.asked(lambda process: process.net_connections(kind="inet"))
    listening = [socket for held in sockets.values() for socket in held if socket.status == psutil.CONN_LISTEN]
    assert listening
    assert {c.laddr.ip for c in listening} <= {"127.0.0.1", "::1"}


def test_secrets_are_private_files(stack):
    private = [*(stack.data_dir / "secrets").rglob("*"), stack.data_dir / "stack.env"]
    assert len(private) > 3
    assert {oct(p.stat().st_mode & 0o077) for p in private} == {"0o0"}


def test_the_title_is_whole_and_the_same_on_both_edges(stack, live_title):
    version = live_title["live"]["version"]
    inventory = json.loads(stack.place.origin.get_bytes(f"p/first/{version}/inventory.json")[0])
    assert len(inventory["entries"]) > 6
    for edge in stack.settings.edges:
        for entry in inventory["entries"]:
            answer = fetch(edge, f"p/first/{version}/{entry['path']}")
            assert answer.status_code == 200, entry["path"]
            assert hashlib.sha256(answer.content).hexdigest() == entry["sha256"], entry["path"]
        assert fetch(edge, "t/first/current.json").json()["version"] == version


def test_watching_a_live_title_ends_at_once(stack, live_title):
    assert stack.answer("watch", "first")["live"] == live_title["live"]


def test_a_browser_plays_the_live_title_from_an_edge_in_hls(stack, live_title, chromium):
    """In DASH it does in test_board_in_airflow.py."""
    token = stack.answer("token")["token"]
    seen = watch(f"{stack.settings.playback_url}/player/first?token={token}&format=hls", chromium)
    assert seen["state"] == "playing", seen["message"]
    assert seen["advanced_s"] > 1
    assert seen["decoded_frames"] > 0
    assert seen["encrypted"]
    assert seen["facts"]["edge"] in {edge.name for edge in stack.settings.edges}


def test_the_live_title_is_verified_as_its_edge_serves_it(stack, live_title):
    done = stack.run("verify", "first")
    assert done.returncode == 0, done.stdout + done.stderr
    assert live_title["live"]["version"] in done.stdout + done.stderr


def test_without_a_token_the_browser_plays_nothing_and_says_why(stack, live_title, chromium):
    seen = watch(f"{stack.settings.playback_url}/player/first", chromium)
    assert seen["state"] == "signed-out"
    assert seen["decoded_frames"] == 0
    assert "signed-in viewer" in seen["message"]


def test_renditions_have_the_source_frames_and_a_vmaf(stack, live_title):
    found = shelf.load(stack.place.work, RenditionSet, live_title["documents"]["RenditionSet"])
    assert {r.frames for r in found.video} == {14 * 24}
    assert all(r.quality is not None and r.quality.mean > 30 for r in found.video)
    assert {r.channels for r in found.audio} == {2, 6}


def test_submitting_the_same_master_again_encodes_nothing_and_ends_in_seconds(stack, live_title, make_clip):
    master = make_clip("first master.mp4", seconds=14, size="640x360", rate="24", noise=4)
    began = time.monotonic()
    again = stack.answer("submit", str(master), "--title", "first", "--wait")
    assert again["run_id"] == live_title["run_id"]
    assert again["live"] == live_title["live"]
    assert time.monotonic() - began < 60


def test_a_broken_master_is_refused_with_a_sentence_and_leaves_no_title(stack, tmp_path):
    broken = tmp_path / "notes.mp4"
    broken.write_text("These are my notes, not a film.\n" * 50)
    done = stack.run("submit", str(broken), "--title", "broken")
    assert done.returncode == 1
    assert "notes.mp4" in done.stderr
    assert "Traceback" not in done.stderr
    assert "broken" not in {t["title_id"] for t in stack.answer("titles")}


def test_the_dag_rejects_a_broken_master_without_retry_and_says_why(stack, tmp_path):
    """As from the trigger form of the Airflow UI, past the command line's own check."""
    broken = tmp_path / "empty.mov"
    broken.touch()
    airflow = AirflowApi(stack.settings)
    airflow.trigger("ui-run", {"master_uri": broken.as_uri(), "title_id": "from-ui"})
    wait_for(lambda: airflow.run("ui-run").state == "failed", 90, "the run fails")
    record = stack.place.registry.title("from-ui")
    assert record.stage == Stage.REJECTED
    assert "empty.mov" in record.problem
    assert airflow.run("ui-run").tasks["register"] == "failed"


def test_a_finding_that_rejects_ends_the_title_and_nothing_is_packaged(stack, tmp_path):
    master = tmp_path / "black.mp4"
    black = "testsrc2=s=320x180:r=24:d=5,tpad=stop_duration=3:color=black"
    subprocess.run(
        [tool_path("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", black, "-preset", "ultrafast", str(master)],
        check=True,
    )
    refused = stack.run("submit", str(master), "--title", "black", "--profile", "strict", "--wait")
    assert refused.returncode == 1
    assert "The master black.mp4 is refused: The picture is black from 0:05.000 to 0:0" in refused.stderr
    airflow = AirflowApi(stack.settings)
    record = stack.place.registry.title("black")
    wait_for(lambda: airflow.run(record.run_id).state == "failed", 120, "the run ends")
    record = stack.place.registry.title("black")
    assert record.stage == Stage.REJECTED
    assert "The picture is black" in record.problem
    assert "SourceReport" in record.documents
    assert "Package" not in record.documents


def test_no_key_is_in_any_log_or_in_airflow(stack, live_title):
    assignment = stack.place.keys.assign("first", ["AUDIO", "SD"])
    needles = [k.key.get_secret_value() for k in stack.place.keys.keys(assignment)]
    assert len(needles) == 2
    searched = 0
    for path in stack.data_dir.rglob("*"):
        if not path.is_file() or "chunks" in path.parts:
            continue
        content = path.read_bytes()
        searched += 1
        for needle in needles:
            assert needle not in content, path
            assert needle.hex().encode() not in content.lower(), path
    assert searched > 50


def sabotage(stack):
    """One SIGKILL after the other while the title encodes; each victim must have been there."""
    return [
        ("the Celery worker", lambda: stack.kill("celery", "worker")),
        ("its ffmpeg", lambda: stack.kill("ffmpeg", "libx264")),
        ("Redis", lambda: stack.kill("redis-server")),
        ("the scheduler", lambda: stack.kill("airflow", "scheduler")),
        ("the S3 server", lambda: stack.kill("weed", "mini")),
    ]


def test_killing_every_part_mid_encode_changes_nothing_in_the_result(stack, make_clip):
    master = make_clip("long.mp4", seconds=40, size="640x360", rate="25", audio="stereo", noise=6)
    calm = stack.answer("submit", str(master), "--title", "calm", "--wait", timeout=400)
    undisturbed = shelf.load(stack.place.work, RenditionSet, calm["documents"]["RenditionSet"])
    for prefix in ("chunks/", "audio/", "renditions/"):
        for stored in list(stack.place.work.list(prefix)):
            stack.place.work.delete(stored.key)
    stack.answer("submit", str(master), "--title", "hunted")
    for victim, strike in sabotage(stack):
        wait_for(lambda: is_encoding(stack, "hunted"), 90, f"encoding before {victim} is killed")
        wait_for(strike, 20, f"{victim} to kill")
    wait_for(lambda: ended(stack, "hunted"), 300, "the hunted title ends")
    record = stack.place.registry.title("hunted")
    assert record.stage == Stage.LIVE, record.problem
    survived = shelf.load(stack.place.work, RenditionSet, record.documents["RenditionSet"])
    assert {r.name: r.sha256 for r in survived.renditions} == {r.name: r.sha256 for r in undisturbed.renditions}


def is_encoding(stack, title_id):
    try:
        record = stack.place.registry.title(title_id)
        assert not record.stage.ended, f"{title_id} was {record.stage} too early: {record.problem}"
        progress = read_progress(stack.place, title_id)
    except Exception as error:
        if isinstance(error, AssertionError):
            raise
        return False
    return record.stage == Stage.ENCODE and progress is not None and progress.running > 0 and progress.frames_done > 0


def ended(stack, title_id):
    return stack.place.registry.title(title_id).stage.ended


def test_down_leaves_nothing_running_and_up_again_plays_on(stack, live_title):
    down = stack.run("down")
    assert down.returncode == 0, down.stderr
    assert stack.processes() == []
    up = stack.run("up")
    assert up.returncode == 0, up.stderr
    path = f"p/first/{live_title['live']['version']}/{live_title['live']['dash_path']}"
    assert fetch(stack.settings.edges[0], path).status_code == 200
