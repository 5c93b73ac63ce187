"""Waiting for what a stack does in its own time."""

import time

import pytest


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    return pytest.fail(f"{what}: not within {seconds} s")
