"""``telecine watch`` on a registry in a file: what it says of titles that wait and that end."""

import threading

import pytest
from typer.testing import CliRunner

from telecine.changes import OrderChange
from telecine.cli.app import app
from telecine.errors import NotFound, TelecineError
from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from telecine.registry.repository import Registry
from telecine.settings import Settings
from telecine.title import SubmitRequest

ASKED = "waits for a person: black from 0:10 to 0:14"
REFUSED = "A person rejected it: wrong reel."


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TELECINE_S3_ENDPOINT", "http://127.0.0.1:9")  # nothing is read from it
    made = Registry(Settings(data_dir=tmp_path).registry_url)
    made.migrate()
    made.submit(SubmitRequest(master_uri="file:///film.mov", title_id="film", name="Film"), None)
    return made


def watched(registry, *, then):
    """What the command says of ``film``, which ends by ``then`` once it has been looked at."""
    ending = threading.Timer(1.5, then)
    ending.start()
    try:
        return CliRunner().invoke(app, ["watch", "film"])
    finally:
        ending.join()


def refuse(registry):
    return lambda: registry.fail("film", Stage.REJECTED, REFUSED)


def test_a_title_nobody_submitted_is_told_at_once(registry):
    with pytest.raises(NotFound, match="'nope'"):
        CliRunner().invoke(app, ["watch", "nope"], catch_exceptions=False)


def test_a_title_that_waits_for_a_person_says_why_and_ends_with_the_answer(registry):
    registry.ask("film", ASKED)
    found = watched(registry, then=refuse(registry))
    assert found.output.count(ASKED) == 1
    assert isinstance(found.exception, TelecineError)
    assert str(found.exception) == REFUSED
    assert REFUSED not in found.output  # the command's end says it once


def test_a_held_title_says_so(registry):
    registry.enter("film", Stage.INSPECT)
    ChangeLog(registry).reorder("film", OrderChange(held=True), who="cli:t", why="")
    found = watched(registry, then=refuse(registry))
    assert "film: inspect (held: nothing more of it is started)" in found.output
