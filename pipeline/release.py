"""Submitting a title to the running stack, and what to tell of it afterwards."""

from collections.abc import Mapping

from pipeline import shelf, steps
from pipeline.accessories import check_texts, identity
from pipeline.airflow_api import DAG_ID, AirflowApi
from pipeline.encoding import withdraw
from pipeline.installation import Installation
from pipeline.submission import is_current, is_rekeyed, new_run_id, request_from
from telecine.document import Document
from telecine.errors import NotFound, TelecineError
from telecine.protection import KeyRecord
from telecine.registry.records import Stage, TitleRecord
from telecine.rendition import RenditionSet
from telecine.title import SubmitRequest

__all__ = ["Submitted", "TitleReport", "cancel_title", "retry_title", "submit_title", "title_report"]


class Submitted(Document):
    """``already_live``: exactly this master under this profile is live, and no run was started."""

    title_id: str
    run_id: str | None
    already_live: bool = False
    attached: bool = False


class TitleReport(Document):
    """Everything to tell of one title."""

    record: TitleRecord
    renditions: RenditionSet | None
    kids: dict[str, str]
    urls: dict[str, str]


def submit_title(place: Installation, params: Mapping[str, object]) -> Submitted:
    """Check the master, then start a run of the release DAG; join the title's own run where one is under way.

    Raises SourceRejected at once for a master that cannot become a title; nothing is registered then.
    """
    request = request_from(params)
    master = steps.register(place, request)
    steps.qualify(place, steps.inspect(place, master), request.profile)
    check_texts(place, request)
    made_of = identity(place, request, master)
    record = _record(place, request.title_id)
    if record is not None and is_current(record, request, made_of) and not is_rekeyed(record, _keys(place, record)):
        return Submitted(title_id=request.title_id, run_id=record.run_id, already_live=True)
    airflow = AirflowApi(place.settings)
    if record is not None and _is_under_way(record, request, made_of, airflow):
        return Submitted(title_id=request.title_id, run_id=record.run_id, attached=True)
    run_id = new_run_id(request.title_id)
    place.registry.submit(request, run_id)
    place.registry.remember_master(request.title_id, made_of)
    place.registry.remember_document(request.title_id, SubmitRequest.__name__, shelf.keep(place.work, request))
    airflow.trigger(run_id, request.model_dump(mode="json"))
    return Submitted(title_id=request.title_id, run_id=run_id)


def cancel_title(place: Installation, title_id: str) -> int:
    """Stop a title that is under way: its encoders end within two seconds, its run is marked failed.

    What was encoded stays in the store, and what is live stays live. Returns how many encode jobs were under way.
    Raises NotFound, and TelecineError when the title is not under way.
    """
    record = place.registry.title(title_id)
    if record.stage.ended:
        message = f"The title {title_id} is {record.stage}: there is nothing under way to cancel."
        raise TelecineError(message)
    said = f"A person cancelled it; 'telecine retry {title_id}' goes on from there."
    place.registry.fail(title_id, Stage.CANCELLED, said)
    stopped = withdraw(place, title_id)
    if record.run_id is not None:
        AirflowApi(place.settings).fail(record.run_id)
    return stopped


def retry_title(place: Installation, title_id: str) -> Submitted:
    """Start a title again that failed, was rejected or cancelled: as it was submitted, from what is there already.

    Raises NotFound, SourceRejected, and TelecineError when it did not end that way.
    """
    record = place.registry.title(title_id)
    if record.stage not in {Stage.FAILED, Stage.REJECTED, Stage.CANCELLED}:
        message = f"The title {title_id} is at {record.stage}: only one that failed or was cancelled is tried again."
        raise TelecineError(message)
    kept = record.documents.get(SubmitRequest.__name__)
    if kept is not None:
        place_now = {"priority": record.priority, "launch_at": record.launch_at}  # as a person may have changed them
        asked_then = shelf.load(place.work, SubmitRequest, kept).model_copy(update=place_now)
        return submit_title(place, asked_then.model_dump(mode="json"))
    asked = record.model_dump(mode="json", include={"title_id", "name", "profile", "priority", "master_uri"})
    launch_at = record.launch_at.isoformat() if record.launch_at else None
    return submit_title(place, {**asked, "launch_at": launch_at})


def title_report(place: Installation, title_id: str) -> TitleReport:
    """Renditions and addresses of a title. Raises NotFound when there is no such title."""
    record = place.registry.title(title_id)
    key = record.documents.get(RenditionSet.__name__)
    renditions = shelf.load(place.work, RenditionSet, key) if key else None
    kids = record.live.kids if record.live else {}
    return TitleReport(record=record, renditions=renditions, kids=kids, urls=_urls(place, record))


def _urls(place: Installation, record: TitleRecord) -> dict[str, str]:
    settings = place.settings
    urls = {"Airflow": f"{settings.airflow_url}/dags/{DAG_ID}"}
    if record.live is None:
        return urls
    urls["Player"] = f"{settings.playback_url}/player/{record.title_id}"
    base = f"p/{record.title_id}/{record.live.version}"
    for edge in settings.edges:
        urls[f"DASH, {edge.name}"] = f"{edge.base_url}/{base}/{record.live.dash_path}"
        urls[f"HLS, {edge.name}"] = f"{edge.base_url}/{base}/{record.live.hls_path}"
        for found in record.live.further:
            urls[f"DASH of {found.scheme}, {edge.name}"] = f"{edge.base_url}/{base}/{found.dash_path}"
            urls[f"HLS of {found.scheme}, {edge.name}"] = f"{edge.base_url}/{base}/{found.hls_path}"
    return urls


def _record(place: Installation, title_id: str) -> TitleRecord | None:
    try:
        return place.registry.title(title_id)
    except NotFound:
        return None


def _keys(place: Installation, record: TitleRecord) -> tuple[KeyRecord, ...]:
    try:
        return place.keys.records(record.title_id)
    except NotFound:
        return ()


def _is_under_way(record: TitleRecord, request: SubmitRequest, made_of: str, airflow: AirflowApi) -> bool:
    """Whether the title's run works on these very bytes, wherever they lie: a file may be delivered twice."""
    same = record.master_sha256 == made_of and record.profile == request.profile
    if not same or record.run_id is None or record.stage.ended:
        return False
    try:
        return airflow.run(record.run_id).state in {"queued", "running"}
    except NotFound:
        return False
