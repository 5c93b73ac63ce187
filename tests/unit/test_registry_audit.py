"""The audit of licences in a real SQLite registry."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner

from telecine.cli.app import app
from telecine.registry.audit import LicenceRecord, RegistryAudit
from telecine.registry.repository import Registry

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GRANT = LicenceRecord(
    at=AT,
    outcome="granted",
    reason="granted",
    system="clearkey",
    user="ada",
    session="s1",
    device="tv",
    title="bunny",
    version="v1",
    asked=("a" * 32, "c" * 32),
    granted=("a" * 32,),
    labels=("AUDIO",),
)
REFUSAL = LicenceRecord(at=AT, outcome="refused", reason="token-missing", system="clearkey")


@pytest.fixture
def registry(tmp_path):
    found = Registry(f"sqlite:///{tmp_path / 'registry.db'}")
    found.migrate()
    return found


def test_records_come_back_as_written_the_newest_first(registry):
    audit = RegistryAudit(registry)
    audit.record(GRANT)
    audit.record(REFUSAL)
    assert audit.records() == (REFUSAL, GRANT)
    assert audit.records(limit=1) == (REFUSAL,)
    assert audit.records(user="ada") == audit.records(title="bunny") == audit.records(outcome="granted") == (GRANT,)
    assert audit.records(title="other") == ()


@pytest.mark.parametrize("statement", ["UPDATE licence_audit SET outcome = 'refused'", "DELETE FROM licence_audit"])
def test_what_was_written_cannot_be_changed(registry, statement):
    RegistryAudit(registry).record(GRANT)
    with pytest.raises(DatabaseError, match="only appended to"), registry.transaction() as session:
        session.execute(text(statement))
    assert RegistryAudit(registry).records() == (GRANT,)


def test_an_operator_reads_the_audit_on_the_command_line(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_DATA_DIR", str(tmp_path))
    RegistryAudit(registry).record(GRANT)
    RegistryAudit(registry).record(REFUSAL)
    shown = CliRunner().invoke(app, ["audit", "licences", "--title", "bunny"])
    assert shown.exit_code == 0, shown.output
    assert "ada" in shown.output
    assert "AUDIO" in shown.output
    refused = CliRunner().invoke(app, ["audit", "licences", "--refused", "--json"])
    assert '"token-missing"' in refused.output
    assert "bunny" not in refused.output
