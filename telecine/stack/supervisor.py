"""Talking to supervisord over its XML-RPC interface, and the sweep that leaves no process behind."""

import contextlib
import http.client
import os
import signal
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

import psutil

from telecine.errors import Unavailable
from telecine.stack.state import Layout, StackState

__all__ = ["Supervisor", "marked_processes", "sweep"]


class Supervisor:
    """One supervisord, by its loopback port and password. Raises Unavailable when it does not run."""

    def __init__(self, layout: Layout, state: StackState, password: str) -> None:
        self._layout = layout
        self._proxy = xmlrpc.client.ServerProxy(
            f"http://telecine:{password}@127.0.0.1:{state.ports['supervisor']}/RPC2", allow_none=True
        )

    def alive(self) -> bool:
        """Whether it answers."""
        try:
            self._call("getState")
        except Unavailable:
            return False
        return True

    def processes(self) -> list[dict[str, Any]]:
        """``getAllProcessInfo`` of supervisor: name, statename, pid, start, now, spawnerr."""
        found: list[dict[str, Any]] = self._call("getAllProcessInfo")
        return found

    def shutdown(self) -> None:
        """Ask it to stop every program and itself; does nothing when it does not run."""
        with contextlib.suppress(Unavailable):
            self._call("shutdown")

    def _call(self, method: str) -> Any:
        try:
            return getattr(self._proxy.supervisor, method)()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            message = f"The supervisor does not answer ({type(error).__name__})."
            raise Unavailable(message) from None  # its text may hold the address with the password


def marked_processes(stack_id: str) -> list[psutil.Process]:
    """Every process of ours that carries the stack's mark in its environment, but never this one or its parents."""
    mark = f"TELECINE_STACK_ID={stack_id}".encode()
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        with contextlib.suppress(OSError, psutil.Error):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(process)
    return found


def sweep(stack_id: str, patience_s: float = 5) -> int:
    """End whatever still carries the mark: TERM, then KILL. Returns how many there were."""
    victims = marked_processes(stack_id)
    for victim in victims:
        _signal(victim, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while (left := marked_processes(stack_id)) and time.monotonic() < deadline:
        time.sleep(0.1)
    while left:
        for victim in left:
            _signal(victim, signal.SIGKILL)
        time.sleep(0.1)
        left = marked_processes(stack_id)
    return len(victims)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
