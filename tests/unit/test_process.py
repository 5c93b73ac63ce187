import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from telecine.errors import ToolFailed, Unavailable
from telecine.process import Command, run


def shell(script, **extra):
    return Command(("/bin/sh", "-c", script), **extra)


def soon_gone(pid):
    """A killed process may take a moment to vanish."""
    deadline = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pid)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_failure_carries_the_tools_own_last_words():
    with pytest.raises(ToolFailed, match="sh exited with 3: no such codec"):
        run(shell("echo no such codec >&2; exit 3"))


def test_lines_come_one_by_one_and_nothing_is_captured():
    lines = []
    done = run(shell("echo one; echo two"), on_line=lines.append)
    assert lines == ["one", "two"]
    assert done.stdout == b""


def test_a_timeout_kills_the_whole_session(tmp_path):
    pid_file = tmp_path / "pid"
    with pytest.raises(Unavailable, match="did not finish within"):
        run(shell(f"sleep 60 & echo $! > '{pid_file}'; wait", timeout_s=1))
    assert soon_gone(int(pid_file.read_text()))


def test_an_exception_of_the_listener_kills_the_whole_session(tmp_path):
    pid_file = tmp_path / "pid"

    def refuse(line):
        raise KeyError(line)

    with pytest.raises(KeyError, match="go"):
        run(shell(f"sleep 60 & echo $! > '{pid_file}'; echo go; wait"), on_line=refuse)
    assert soon_gone(int(pid_file.read_text()))


def test_a_secret_is_in_neither_argv_nor_representation_nor_on_disk(tmp_path):
    command = shell(
        "cat '{secret:flags}'; tr '\\0' ' ' < /proc/self/cmdline >&2", secret_files={"flags": b"top secret"}
    )
    done = run(command, cwd=tmp_path)
    assert done.stdout == b"top secret"
    assert "top secret" not in done.stderr
    assert "/proc/self/fd/" in done.stderr
    assert "top secret" not in repr(command)
    assert list(tmp_path.iterdir()) == []


def test_a_child_dies_with_its_parent():
    """The parent is killed outright; what it was running must not live on."""
    script = (
        "from telecine.process import Command, run\n"
        "run(Command(('/bin/sh', '-c', 'echo $$; exec sleep 60')), on_line=lambda line: print(line, flush=True))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert not gone(child)
    parent.kill()
    parent.wait()
    assert soon_gone(child)


def test_cpu_and_memory_of_a_child_are_measured():
    done = run(shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"))
    assert done.user_cpu_s > 0
    assert done.max_rss_bytes > 100_000


def test_file_descriptors_do_not_leak():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        run(shell("cat {secret:a} {secret:b} > /dev/null", secret_files={"a": b"1", "b": b"2"}))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
