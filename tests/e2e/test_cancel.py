"""A person stops a title on the real stack, from the command line and from Airflow, and goes on with it."""

import time

import pytest

from pipeline.airflow_api import AirflowApi
from pipeline.encoding import read_progress
from telecine.registry.records import Stage
from tests.e2e.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ENCODE = "/api/v2/dags/release_title/dagRuns/{}/taskInstances/encode"


def encoders(stack):
    return stack.having(lambda process: "ffmpeg" in process.name() and "libx264" in " ".join(process.cmdline()))


def under_way(stack, title):
    record = stack.place.registry.title(title)
    if record.stage != Stage.ENCODE:
        return False
    progress = read_progress(stack.place, title)
    return progress is not None and progress.frames_done > 0 and bool(encoders(stack))


def test_a_cancelled_title_stops_encoding_and_goes_live_when_it_is_tried_again(stack, make_clip):
    master = make_clip("cancelled.mp4", seconds=30, size="640x360", rate="25", audio="stereo", noise=6)
    submitted = stack.answer("submit", str(master), "--title", "stopped")
    wait_for(lambda: under_way(stack, "stopped"), 120, "it encodes")
    record = stack.answer("cancel", "stopped")
    assert record["stage"] == "cancelled"
    wait_for(lambda: not encoders(stack), 15, "its encoders end")
    airflow = AirflowApi(stack.settings)
    wait_for(lambda: airflow.run(submitted["run_id"]).state == "failed", 30, "its run is failed")
    time.sleep(3)  # whatever the run's own tasks say of their end comes now
    assert stack.place.registry.title("stopped").stage == Stage.CANCELLED
    assert not encoders(stack)
    refused = stack.run("cancel", "stopped")
    assert refused.returncode == 1
    assert "nothing under way to cancel" in refused.stderr
    again = stack.answer("retry", "stopped", "--wait", timeout=400)
    assert again["stage"] == "live"


def test_an_encode_task_failed_by_a_person_in_airflow_ends_its_encoders(stack, make_clip):
    master = make_clip("failed by hand.mp4", seconds=30, size="640x360", rate="25", audio="stereo", noise=7)
    submitted = stack.answer("submit", str(master), "--title", "by-hand")
    wait_for(lambda: under_way(stack, "by-hand"), 120, "it encodes")
    airflow = AirflowApi(stack.settings)
    answer = airflow._call("PATCH", ENCODE.format(submitted["run_id"]), {"new_state": "failed"})
    assert answer.status_code == 200, answer.text
    wait_for(lambda: not encoders(stack), 30, "its encoders end")
    wait_for(lambda: airflow.run(submitted["run_id"]).state == "failed", 30, "its run is failed")
