"""Every hour: remove versions that nobody needs any more, and what finished titles left in the work bucket."""

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from pipeline.clearing import clear_old
from pipeline.installation import open_installation
from pipeline.retiring import retire_old
from telecine.settings import load_settings

log = logging.getLogger(__name__)

DOC = """
### Retire versions

Removes versions beyond `TELECINE_KEEP_VERSIONS` and `TELECINE_KEEP_DAYS` from the edges, then from the origin. Never
the live one, one that a session plays or one of a title under way.

Then clears the work bucket: chunks, renditions and package copies of titles that went live more than
`TELECINE_KEEP_WORK_DAYS` ago, uploaded masters after `TELECINE_KEEP_MASTER_DAYS`. Killed anywhere, the next round goes
on.
"""


@task
def retire() -> list[str]:
    """What became of each version, and of all else that is due, in words."""
    place = open_installation(load_settings())
    outcomes = (*retire_old(place), *clear_old(place))
    told = [f"{one.title_id} {one.version or one.what}: {one.outcome} {one.why}".strip() for one in outcomes]
    for line in told:
        log.info("%s", line)
    return told


@dag(
    dag_id="retire_versions",
    dag_display_name="Retire versions",
    description="Old versions leave edges and origin, finished work the work bucket",
    doc_md=DOC,
    schedule=timedelta(hours=1),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["telecine"],
    default_args={
        "pool": "control",
        "retries": 5,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=50),
    },
)
def retire_versions() -> None:
    retire()


retire_versions()
