"""Fixtures every kind of test may use."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from telecine.registry.repository import Registry
from telecine.tools import tool_path
from tests.e2e.playback_browser import launched

# a busy machine is no fault of the code: properties are never timed
settings.register_profile("telecine", deadline=None)
settings.load_profile("telecine")

ALONE = ("alone", "server", "e2e")
"""Marks of tests that nothing may run beside: they start servers and browsers, or watch the machine or the clock."""
ALONE_FOLDERS = ("dags", "e2e")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_addoption(parser):
    rounds = "run only tests that may run beside others (beside), or only the others (alone); `make test` runs both"
    parser.addoption("--round", choices=("beside", "alone"), help=rounds)
    parser.addoption("--tally", type=Path, help="file to which how many tests ended how is written, as JSON")


def pytest_terminal_summary(terminalreporter, config):
    path = config.getoption("tally")
    if path is not None:
        ended = ("failed", "passed", "skipped", "xfailed", "xpassed", "error")
        path.write_text(json.dumps({name: len(terminalreporter.stats.get(name, ())) for name in ended}))


def pytest_collection_modifyitems(config, items):
    """One round only, where one is asked for; what needs the whole stack comes last, as it stays up until the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)
    asked = config.getoption("round")
    if asked is None:
        return
    rounds = {"beside": [], "alone": []}
    for item in items:
        rounds["alone" if runs_alone(item) else "beside"].append(item)
    items[:] = rounds.pop(asked)
    config.hook.pytest_deselected(items=[item for others in rounds.values() for item in others])


def runs_alone(item):
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return folder in ALONE_FOLDERS or any(item.get_closest_marker(mark) for mark in ALONE)


@pytest.fixture(scope="module")
def browser(chromium):
    """A browser for all tests of a module; each opens pages in a context of its own."""
    with launched(chromium) as found:
        yield found


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """An empty registry: migrations take longer than all of a test."""
    path = tmp_path_factory.mktemp("registry") / "registry.db"
    registry = Registry(f"sqlite:///{path}")
    registry.migrate()
    registry._engine.dispose()
    return path


@pytest.fixture(scope="session", autouse=True)
def _clean_environment():
    """A stack's settings in the caller's environment must not leak into tests."""
    for name in [name for name in os.environ if name.startswith("TELECINE_") and name != "TELECINE_UPDATE_GOLDEN"]:
        del os.environ[name]


@pytest.fixture(scope="session")
def chromium():
    """Path of a browser, or a skip that says what to do."""
    found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here: install Debian's package chromium (or Chrome) to run the browser tests")
    return found


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory):
    """Makes small masters with the real ffmpeg: ``make_clip(name, seconds, size, rate, audio, noise)``."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name="clip.mp4", seconds=4, size="640x360", rate="24", audio="5.1", noise=12) -> Path:
        path = folder / name
        if path.exists():
            return path
        sound = f"aevalsrc=exprs={'|'.join(f'0.1*sin({220 * (n + 1)}*t)' for n in range(6))}:c=5.1:s=48000"
        stereo = "sine=frequency=440:sample_rate=48000"
        inputs = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate},noise=alls={noise}:allf=t"]
        if audio:
            inputs += ["-f", "lavfi", "-i", sound if audio == "5.1" else stereo]
        coding = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        command = [tool_path("ffmpeg"), "-v", "error", "-y", *inputs, "-t", str(seconds), *coding, str(path)]
        subprocess.run(command, check=True)
        return path

    return make
