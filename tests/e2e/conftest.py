"""One whole stack for all end-to-end tests, in a folder of its own whose path has a space."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipeline.installation import Installation, open_installation
from telecine.settings import Settings, load_settings
from telecine.stack.supervisor import marked_processes

TELECINE = Path(sys.executable).parent / "telecine"


@dataclass(frozen=True)
class Stack:
    data_dir: Path
    env: dict[str, str]
    settings: Settings
    place: Installation

    def run(self, *arguments, timeout=240):
        return subprocess.run(
            [TELECINE, *arguments], env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )

    def answer(self, *arguments, timeout=240):
        done = self.run(*arguments, "--json", timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def processes(self):
        """Every living process of this stack, found by the mark each inherits."""
        return marked_processes(self.settings.stack_id)

    def asked(self, question):
        """What ``question`` finds of each living process, by process; one that ends while it is asked is left out."""
        answers = {}
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                answers[process] = question(process)
        return answers

    def having(self, wanted):
        """The living processes of which ``wanted`` is true."""
        return [process for process, answer in self.asked(wanted).items() if answer]

    def kill(self, *words):
        """SIGKILL the processes whose command line holds all words; returns how many there were."""
        victims = self.having(lambda process: all(word in " ".join(process.cmdline()) for word in words))
        for victim in victims:
            with contextlib.suppress(psutil.Error):
                victim.send_signal(signal.SIGKILL)
        return len(victims)


STRICT = """\
name: strict
summary: black is refused
video:
  - {name: small, codec: x264, width: 320, height: 180, crf: 28, max_bps: 500_000, preset: medium}
audio: []
source_checks: {black: {severity: reject, minimum_s: 2}}
"""

ASKING = """\
name: asking
summary: every gate asks
video:
  - {name: small, codec: x264, width: 160, height: 90, crf: 40, max_bps: 100_000, preset: ultrafast}
audio: []
gates: {vmaf_floor: 100, approve_launch: true, ask_on_recommendations: true}
"""

PLAIN = """\
name: plain
summary: nothing is asked
video:
  - {name: small, codec: x264, width: 160, height: 90, crf: 35, max_bps: 200_000, preset: ultrafast}
audio: []
"""

STAGED = """\
name: staged
summary: goes live with its small rung first, when a person says so
video:
  - {name: large, codec: x264, width: 320, height: 180, crf: 40, max_bps: 300_000, preset: ultrafast}
  - {name: small, codec: x264, width: 160, height: 90, crf: 40, max_bps: 100_000, preset: ultrafast}
audio: []
minimum: [small]
gates: {approve_launch: true}
"""


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("whole stack") / "data"
    catalogue = tmp_path_factory.mktemp("catalogue")
    (catalogue / "strict.yaml").write_text(STRICT)
    (catalogue / "asking.yaml").write_text(ASKING)
    (catalogue / "staged.yaml").write_text(STAGED)
    (catalogue / "plain.yaml").write_text(PLAIN)
    env = {
        **os.environ,
        "TELECINE_DATA_DIR": str(data_dir),
        "TELECINE_CATALOGUE_DIR": str(catalogue),
        "TELECINE_CHUNK_SECONDS": "6",
        "TELECINE_LEASE_S": "6",
        "TELECINE_VMAF_SUBSAMPLE": "12",
    }
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    up = subprocess.run([TELECINE, "up"], env=env, capture_output=True, text=True, timeout=240, check=False)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        settings = load_settings(data_dir)
        yield Stack(data_dir, env, settings, open_installation(settings))
    finally:
        subprocess.run([TELECINE, "down"], env=env, capture_output=True, timeout=120, check=False)
