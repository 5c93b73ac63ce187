"""Every minute: titles that will be late are told of, and what the world is to be told of is posted."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from pipeline.forecasting import forecast
from pipeline.installation import open_installation
from pipeline.notices import deliver, tell_late
from telecine.settings import load_settings

DOC = """
### Watch releases

Compares the forecast of every title under way with its launch time as it is now, and puts `title.late` into the outbox
once for each launch time. Then posts what is due in the outbox to the webhook. No release ever waits for this.
"""


@task
def watch() -> dict[str, int]:
    place = open_installation(load_settings())
    try:
        late = tell_late(place, forecast(place))
    finally:
        taken = deliver(place)
    return {"late": late, "told": taken}


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
