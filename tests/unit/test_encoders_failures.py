"""Ends of an encoder that are the machine's fault, in words a person can act on."""

import errno
import signal
import threading
import time

import pytest

from encoders.failures import said_plainly
from telecine.errors import DiskFull, EncodeFailed, Stopped, ToolFailed, Unavailable
from telecine.process import Command, run
from telecine.stopper import Stopper, stoppable
from tests.unit.test_encoders_planning import a_plan

JOB = a_plan().jobs[1]


def raised(error, tmp_path):
    with pytest.raises(Exception) as caught, said_plainly(JOB, tmp_path):
        raise error
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        ToolFailed(("ffmpeg",), 228, "Error writing trailer of out.mp4: No space left on device"),
    ],
)
def test_a_full_disk_is_one_sentence_and_tried_again_later(error, tmp_path):
    said = raised(error, tmp_path)
    assert isinstance(said, DiskFull)
    assert isinstance(said, Unavailable)
    assert str(tmp_path) in str(said)
    assert "chunk 0 (frames 0 to 720; 1080p, 720p, 480p)" in str(said)
    assert "\n" not in str(said)


def test_other_faults_pass_as_they_are(tmp_path):
    error = PermissionError(errno.EACCES, "no")
    assert raised(error, tmp_path) is error
    wrong = ToolFailed(("ffmpeg",), 8, "Unrecognized option")
    assert raised(wrong, tmp_path) is wrong


def test_a_real_kill_and_a_real_crash_are_told_apart(tmp_path):
    for number, words in ((signal.SIGKILL, "likely because memory ran out"), (signal.SIGSEGV, r"crashed \(SIGSEGV\)")):
        with pytest.raises(EncodeFailed, match=words) as caught, said_plainly(JOB, tmp_path):
            run(Command(("/bin/sh", "-c", f"echo last words >&2; kill -{int(number)} $$")))
        assert "last words" in str(caught.value)


def test_a_command_is_ended_from_another_thread_and_later_ones_do_not_start():
    stopper = Stopper()
    threading.Timer(0.2, lambda: stopper.stop(Stopped("a person did"))).start()
    began = time.monotonic()
    with stoppable(stopper):
        with pytest.raises(Stopped, match="a person did"):
            run(Command(("/bin/sh", "-c", "sleep 60")))
        with pytest.raises(Stopped):
            run(Command(("/bin/sh", "-c", "sleep 60")))
    assert time.monotonic() - began < 30
    assert run(Command(("/bin/sh", "-c", "echo on"))).stdout == b"on\n"
