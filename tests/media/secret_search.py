"""Looks for secrets in what a run leaves behind and in what its processes show: argv and environment."""

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_EVERY_S = 0.004


def forms(secret: bytes) -> dict[str, bytes]:
    """How a secret may be written: raw, hexadecimal, as a UUID, and base64 at each alignment in a longer text."""
    digits = secret.hex()
    found = {"raw": secret, "hex": digits.encode(), "HEX": digits.upper().encode()}
    if len(secret) == 16:
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        found["uuid"] = "-".join(parts).encode()
    for before in range(3):
        # characters that carry bits of neighbours are left out
        first, after = -(-before * 8 // 6), -(len(secret) + before) % 3
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            text = encode(bytes(before) + secret + bytes(after))
            found[f"{name} at {before}"] = text[first : (before + len(secret)) * 8 // 6]
    return found


def leaks(secrets: dict[str, bytes], content: bytes) -> set[tuple[str, str]]:
    """Which secrets a content holds, and in which form."""
    return {
        (name, form)
        for name, secret in secrets.items()
        for form, written in forms(secret).items()
        if written in content
    }


def leaks_in_files(secrets: dict[str, bytes], folder: Path) -> dict[str, set[tuple[str, str]]]:
    """What each file below a folder holds; its name counts too."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        content = path.read_bytes() if path.is_file() else b""
        if held := leaks(secrets, name.encode() + b"\0" + content):
            found[name] = held
    return found


class Watched:
    """What processes showed: every argv and environment that was seen, once each."""

    def __init__(self) -> None:
        self.argvs: set[bytes] = set()
        self.environments: set[bytes] = set()

    def programs(self) -> set[str]:
        return {Path(os.fsdecode(argv.split(b"\0")[0])).name for argv in self.argvs if argv}


@contextmanager
def watching(mark: str) -> Iterator[Watched]:
    """Reads ``/proc`` all the time for processes whose environment holds a mark, which children inherit."""
    watched, stopped, strangers = Watched(), threading.Event(), {os.getpid()}

    def look() -> None:
        while not stopped.wait(_EVERY_S):
            now = set(psutil.pids())
            strangers.intersection_update(now)
            for pid in now - strangers:
                _see(pid, mark.encode(), watched, strangers)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        stopped.set()
        thread.join()


def _see(pid: int, mark: bytes, watched: Watched, strangers: set[int]) -> None:
    with suppress(OSError):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if mark in environment:
            watched.environments.add(environment)
            watched.argvs.add(Path(f"/proc/{pid}/cmdline").read_bytes())
        elif environment:
            strangers.add(pid)
