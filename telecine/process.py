"""The one door to subprocesses: own session, killed whole, dies with its parent, errors with the end of stderr."""

import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from telecine.errors import ToolFailed, Unavailable
from telecine.stopper import current_stopper

__all__ = ["Command", "Completed", "die_with_parent", "replace_process", "run"]

_PR_SET_PDEATHSIG = 1
_TAIL_LINES = 40
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Command:
    """An argv to run. ``secret_files`` are contents passed as inherited memory files, never as argv or on disk:
    an argument equal to ``{secret:NAME}`` (or holding it) becomes that file's ``/proc/self/fd/N`` path.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secret_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished command left: exit status 0, captured stdout (unless read by lines) and stderr's tail."""

    stdout: bytes
    stderr: str
    user_cpu_s: float
    system_cpu_s: float
    max_rss_bytes: int

    @property
    def cpu_s(self) -> float:
        return self.user_cpu_s + self.system_cpu_s


def die_with_parent() -> None:
    """Ask the kernel to SIGKILL this process when the thread that started it is gone (prctl(2), PR_SET_PDEATHSIG)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def replace_process(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Become another program, keeping the process id; ``env`` is laid over the environment."""
    os.execve(argv[0], list(argv), {**os.environ, **env})  # noqa: S606 - no shell is wanted


def run(
    command: Command,
    *,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    check: bool = True,
) -> Completed:
    """Run a command to its end.

    ``on_line`` is called with each line of stdout as it comes (stdout is then not captured); an exception it raises
    kills the command and is passed on. The whole session is killed on timeout or any exception. Raises ToolFailed on
    a non-zero exit (when ``check``), Unavailable on timeout, and what the thread's Stopper was given.
    """
    with contextlib.ExitStack() as stack:
        argv, fds = stack.enter_context(_with_secret_files(command))
        errors = stack.enter_context(tempfile.TemporaryFile())  # a file cannot block the child as a full pipe would
        child = subprocess.Popen(  # noqa: S603 - argv list, no shell
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **command.env},
            pass_fds=fds,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, safe after fork
        )
        stopper = current_stopper()
        expired = threading.Event()
        watchdog = _start_watchdog(child, command.timeout_s, expired)
        try:
            with stopper.ending(lambda: _signal_session(child)):
                captured = _read(child, on_line)
                _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            _kill_session(child)
            raise
        finally:
            watchdog.cancel()
        tail = _tail(errors.fileno())
    stopper.raise_if_stopped()
    if expired.is_set():
        message = f"{Path(argv[0]).name} did not finish within {command.timeout_s:g} s"
        raise Unavailable(message)
    if check and child.returncode != 0:
        raise ToolFailed(command.argv, child.returncode, tail)
    return Completed(captured, tail, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024)


def _read(child: "subprocess.Popen[bytes]", on_line: Callable[[str], None] | None) -> bytes:
    if child.stdout is None:  # pragma: no cover - always piped above
        return b""
    if on_line is None:
        return child.stdout.read()
    for line in child.stdout:
        on_line(line.decode(errors="replace").rstrip("\n"))
    return b""


def _start_watchdog(
    child: "subprocess.Popen[bytes]", timeout_s: float | None, expired: threading.Event
) -> threading.Timer:
    def expire() -> None:
        expired.set()
        _signal_session(child)

    timer = threading.Timer(timeout_s if timeout_s is not None else threading.TIMEOUT_MAX, expire)
    timer.daemon = True
    if timeout_s is not None:
        timer.start()
    return timer


def _signal_session(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _kill_session(child: "subprocess.Popen[bytes]") -> None:
    _signal_session(child)
    with contextlib.suppress(ChildProcessError):
        child.wait()


@contextlib.contextmanager
def _with_secret_files(command: Command) -> Iterator[tuple[Sequence[str], tuple[int, ...]]]:
    descriptors: dict[str, int] = {}
    try:
        for name, content in command.secret_files.items():
            descriptor = os.memfd_create(name)
            descriptors[name] = descriptor
            os.write(descriptor, content)
            os.lseek(descriptor, 0, os.SEEK_SET)
        argv = list(command.argv)
        for name, descriptor in descriptors.items():
            argv = [arg.replace(f"{{secret:{name}}}", f"/proc/self/fd/{descriptor}") for arg in argv]
        yield argv, tuple(descriptors.values())
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def _tail(descriptor: int) -> str:
    """The last lines of a child's stderr, whatever its size."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 64 * 1024)
    text = os.pread(descriptor, size - start, start).decode(errors="replace")
    return "\n".join(deque(text.replace("\r", "\n").splitlines(), maxlen=_TAIL_LINES))
