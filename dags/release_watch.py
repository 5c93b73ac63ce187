"""Every minute: titles that will be late are told of, and what the world is to be told of is posted."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, get_current_context, task
from telecine_notifier import Configured

from pipeline.forecasting import forecast
from pipeline.installation import open_installation
from pipeline.notices import deliver, give, tell_late
from telecine.settings import load_settings

DOC = """
### Watch releases

Compares the forecast of every title under way with its launch time as it is now, and puts `title.late` into the outbox
once for each run and launch time. Then posts what is due in the outbox to the webhook, and gives it to the notifiers
that `TELECINE_NOTIFIERS` names. No release ever waits for this.
"""


@task
def watch() -> dict[str, int]:
    place, context = open_installation(load_settings()), get_current_context()
    told: dict[str, int] = {}
    with ExitStack() as each:  # from the last to the first, each whatever becomes of the others
        for one in place.settings.notifiers:
            each.callback(lambda one=one: told.update({one.name: give(place, one.name, Configured(one, context))}))
        each.callback(lambda: told.update(webhook=deliver(place)))
        told["late"] = tell_late(place, forecast(place))
    return told


@dag(
    dag_id="release_watch",
    dag_display_name="Watch releases",
    description="Tells of titles that will be late, and posts events to the webhook",
    doc_md=DOC,
    schedule="* * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    tags=["telecine"],
    default_args={
        "pool": "control",
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=8),
    },
)
def release_watch() -> None:
    watch()


release_watch()
