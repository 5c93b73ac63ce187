"""Looks at the watched folder and prefix every minute: a master dropped there becomes a title, exactly once."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from board.uploads.service import forget_stale_uploads
from pipeline.installation import open_installation
from pipeline.watching import scan_drops
from telecine.settings import load_settings

DOC = """
### Watch for masters

Every minute: `TELECINE_WATCH_DIR` and `TELECINE_WATCH_PREFIX` are looked at, and unfinished uploads at rest for
`TELECINE_UPLOAD_DAYS` are given up. Running it more often, or twice at once, changes nothing. `telecine drops list`
tells what became of each file.
"""


@task
def scan() -> dict[str, int]:
    """How many masters waited, were started, refused, or known before."""
    found = scan_drops(open_installation(load_settings()))
    outcomes = [result.outcome for result in found.results]
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


@task
def forget_uploads() -> int:
    """How many uploads were given up."""
    return len(forget_stale_uploads(open_installation(load_settings()), datetime.now(UTC)))


@dag(
    dag_id="watch_masters",
    dag_display_name="Watch for masters",
    description="Masters dropped into the watched folder or prefix become titles",
    doc_md=DOC,
    schedule="* * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["telecine"],
    default_args={
        "pool": "control",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(hours=2),
    },
)
def watch_masters() -> None:
    scan()
    forget_uploads()


watch_masters()
