"""The web server's configuration as a whole: read the difference before you update it."""

import os
import subprocess
from pathlib import Path

from edge.caddyfile import render
from telecine.tools import tool_path

EXPECTED = Path(__file__).parent / "edge" / "Caddyfile"


def test_the_configuration_is_the_one_that_was_read():
    made = render(8601, "http://127.0.0.1:8611", ("127.0.0.1", "::1"))
    if os.environ.get("TELECINE_UPDATE_GOLDEN"):
        EXPECTED.parent.mkdir(exist_ok=True)
        EXPECTED.write_text(made)
    assert made == EXPECTED.read_text()


def test_caddy_accepts_it_and_would_not_write_it_otherwise(tmp_path):
    (tmp_path / "Caddyfile").write_text(EXPECTED.read_text())
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    caddy = [tool_path("caddy"), "validate", "--config", "Caddyfile", "--adapter", "caddyfile"]
    checked = subprocess.run(caddy, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    shaper = [tool_path("caddy"), "fmt", "Caddyfile"]
    written = subprocess.run(shaper, cwd=tmp_path, env=home, capture_output=True, check=False)
    assert written.stdout.decode() == EXPECTED.read_text()
