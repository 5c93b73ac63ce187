"""Changing the order of titles that wait or run: what the command line, the REST interface and the board all call."""

from datetime import UTC, datetime

from pipeline.airflow_api import AirflowApi
from pipeline.installation import Installation
from telecine.changes import OrderChange
from telecine.errors import TelecineError
from telecine.log import get_logger
from telecine.registry.changes import ChangeLog
from telecine.registry.records import TitleRecord

__all__ = ["change_order"]

log = get_logger(__name__)


def change_order(place: Installation, title_id: str, change: OrderChange, *, who: str, why: str = "") -> TitleRecord:
    """Change class, launch time or hold of a title, written down in the audit. What is not set stays as it is.

    It takes effect at the next chunk and the next control task: nothing is stopped, nothing is lost. Chunks follow the
    registry by themselves; Airflow is told the new weight of the tasks that wait, and where it does not answer the
    change holds all the same. Raises NotFound, and TelecineError for a title that has ended or a launch in the past.
    """
    if not change.model_fields_set:
        message = f"Nothing to change of {title_id} was given: a class, a launch time or a hold."
        raise TelecineError(message)
    if change.launch_at is not None and change.launch_at <= datetime.now(UTC):
        message = (
            f"The launch time {change.launch_at.isoformat()} is over; give a later one, or none to launch when ready."
        )
        raise TelecineError(message)
    record = ChangeLog(place.registry).reorder(title_id, change, who=who, why=why)
    if record.run_id and place.settings.airflow_url and change.model_fields_set & {"priority", "launch_at"}:
        _tell_airflow(place, record)
    return record


def _tell_airflow(place: Installation, record: TitleRecord) -> None:
    try:
        AirflowApi(place.settings).follow_order(record.run_id or "")
    except TelecineError as error:
        log.warning("order.airflow_not_told", title=record.title_id, problem=str(error))
