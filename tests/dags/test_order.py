"""Control tasks follow the order of titles: when they are made, when it changes, and when a title is on hold."""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

from pipeline.working import keys_of, note_keys, read_note
from telecine.changes import OrderChange
from telecine.order import Place, weight
from telecine.registry.changes import ChangeLog
from telecine.registry.repository import Registry
from telecine.settings import load_settings
from telecine.storage.memory import MemoryStore
from telecine.title import SubmitRequest
from tests.unit.test_encoders_planning import a_plan

DAGS = Path(__file__).parents[2] / "dags"
TITLE = "film"


@pytest.fixture
def registry(dag_bag, tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TELECINE_S3_ENDPOINT", "http://127.0.0.1:9")
    from airflow_local_settings import _registry  # noqa: PLC0415 - Airflow's environment comes first

    _registry.cache_clear()
    made = Registry(load_settings().registry_url)
    made.migrate()
    made.submit(SubmitRequest(master_uri="file:///m.mov", title_id=TITLE, name="Film"), "run-1")
    return made


@pytest.fixture(scope="session")
def database(dag_bag):
    from airflow.utils.db import initdb  # noqa: PLC0415

    initdb()


def place_of(record):
    return Place(
        title_id=record.title_id,
        priority=record.priority,
        launch_at=record.launch_at,
        submitted_at=record.created_at,
        held=record.held,
    )


def instance(run_id="run-1", dag_id="release_title"):
    return SimpleNamespace(dag_id=dag_id, run_id=run_id, priority_weight=7)


def hook(task_instance, **conf):
    from airflow_local_settings import task_instance_mutation_hook  # noqa: PLC0415

    task_instance_mutation_hook(task_instance, SimpleNamespace(conf=conf))
    return task_instance.priority_weight


def reorder(registry, **change):
    return ChangeLog(registry).reorder(TITLE, OrderChange(**change), who="x", why="")


def test_new_tasks_weigh_what_the_registry_says_now_and_not_what_was_asked_for(registry):
    record = reorder(registry, priority="critical")
    assert hook(instance(), priority="low") == weight(place_of(record))


def test_tasks_of_a_run_nobody_registered_yet_weigh_what_was_asked_for(registry):
    asked = [hook(instance("other"), master_uri="file:///x.mov", priority=p) for p in ("critical", "high", "low")]
    assert asked == sorted(asked, reverse=True)
    assert len(set(asked)) == 3
    assert hook(instance("other"), priority="nonsense") == hook(instance("other"), priority="normal")


def test_tasks_of_other_dags_keep_their_weight(registry):
    assert hook(instance(dag_id="another")) == 7


@pytest.mark.parametrize("change", [{"launch_at": None}, {"launch_at": datetime(2020, 1, 1, tzinfo=UTC)}])
def test_a_launch_brought_forward_ends_the_wait_within_seconds(registry, change):
    reorder(registry, launch_at=datetime.now(UTC) + timedelta(days=1))
    assert waited(registry, change) < 5


def test_a_hold_is_waited_for_until_it_ends(registry):
    reorder(registry, held=True)
    assert waited(registry, {"held": False}) < 5


def waited(registry, change):
    """Seconds from a change to the event of a trigger that waited before it."""
    import asyncio  # noqa: PLC0415

    from telecine_tasks import LaunchTrigger  # noqa: PLC0415

    async def run():
        event = asyncio.ensure_future(anext(LaunchTrigger(TITLE).run()))
        await asyncio.sleep(2)
        assert not event.done()
        changed = time.monotonic()
        await asyncio.to_thread(reorder, registry, **change)
        await asyncio.wait_for(event, 20)
        return time.monotonic() - changed

    return asyncio.run(run())


def test_a_change_reaches_waiting_tasks_and_leaves_those_handed_over(registry, database):
    sys.path.insert(0, str(DAGS / "airflow_plugins"))
    from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415 - Airflow's environment comes first
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select, text  # noqa: PLC0415
    from telecine_order import follow  # noqa: PLC0415
    from telecine_order import registry as of_plugin  # noqa: PLC0415

    of_plugin.cache_clear()
    states = {"a": None, "b": "scheduled", "c": "deferred", "d": "queued", "e": "running", "f": "success"}
    table = TaskInstance.__table__
    with create_session() as session:
        session.execute(text("PRAGMA foreign_keys=OFF"))
        for run in ("run-1", "run-2"):
            for name, state in states.items():
                values = {"id": uuid4(), "task_id": name, "dag_id": "release_title", "run_id": run, "state": state}
                session.execute(table.insert().values(**_filled(table, values), priority_weight=1))
    record = reorder(registry, priority="critical")
    assert follow("run-1", None) == {"tasks": 3, "weight": weight(place_of(record))}
    with create_session() as session:
        rows = session.execute(select(table.c.run_id, table.c.task_id, table.c.priority_weight)).all()
        session.execute(table.delete())
    assert {(run, name) for run, name, found in rows if found != 1} == {("run-1", n) for n in "abc"}


def _filled(table, values):
    """A row with zeroes where the table insists on a value."""
    needed = [c.name for c in table.columns if not c.nullable and c.default is None and c.server_default is None]
    return {name: 0 for name in needed if name not in values} | values


def test_what_a_run_plans_is_noted_before_it_is_made(dag_bag, registry):
    from telecine_tasks import Release  # noqa: PLC0415

    work = MemoryStore()
    place = SimpleNamespace(work=work, registry=registry)
    plan = a_plan()
    Release(place, SimpleNamespace(title_id=TITLE), "run-1").keep(plan)
    (key,) = note_keys(work)[TITLE]
    assert read_note(work, key) == set(keys_of(plan))
