"""Telling the world of titles: an outbox that a signed webhook and notifiers empty.

The webhook follows the Standard Webhooks specification 1.0.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from pipeline.installation import Installation
from telecine.errors import MissingRequirement, NotFound, TelecineError
from telecine.forecast import Forecasts
from telecine.log import get_logger
from telecine.registry.notices import Notice, Outbox
from telecine.registry.records import Stage
from telecine.settings import NoticeEvent, Settings

__all__ = ["deliver", "give", "signature", "tell", "tell_late", "tell_of_run"]

log = get_logger(__name__)

Notify = Callable[[dict[str, Any]], str | None]
"""Gives what the webhook's body holds to a notifier; returns the problem, or None. Never raises."""

_TIMEOUT_S = 10
_LEASE = timedelta(minutes=2)
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(hours=1)
_GIVE_UP_AFTER = timedelta(days=3)
_MOST_A_ROUND = 50


def tell(place: Installation, event: NoticeEvent, title_id: str, once: str, facts: dict[str, Any]) -> None:
    """Put an event into the outbox; the same ``once`` is told once. Never stands in a release's way."""
    others = [one.name for one in place.settings.notifiers if event in one.events]
    try:
        Outbox(place.registry).put(event, title_id, f"{event} {once}", facts, others)
    except TelecineError as error:
        log.warning("notice.lost", title=title_id, notice=event, problem=str(error))


def tell_of_run(place: Installation, event: NoticeEvent, run_id: str, reasons: Sequence[str] = ()) -> None:
    """Tell what became of the title of a run, as the registry knows it; nothing where it did not come to that.

    Told once: a failure and a launch of a run, a question of it (its ``reasons``), a flip of the pointer.
    """
    record = place.registry.title_of_run(run_id)
    if record is None:
        return
    title_id = record.title_id
    facts: dict[str, Any]
    match event:
        case "title.failed" if record.stage in {Stage.FAILED, Stage.REJECTED}:
            facts = {"stage": str(record.stage), "problem": record.problem, "run": run_id}
            tell(place, event, title_id, run_id, facts)
        case "title.live" if record.stage == Stage.LIVE and record.live is not None:
            live_at = record.live.live_at.isoformat()
            facts = {"version": record.live.version, "live_at": live_at, "run": run_id}
            tell(place, event, title_id, f"{title_id} {record.live.seq}", facts)
        case "title.needs_approval" if reasons:
            facts = {"reasons": list(reasons), "run": run_id}
            tell(place, event, title_id, f"{title_id} {run_id} {'; '.join(reasons)}", facts)
        case _:
            return


def tell_late(place: Installation, forecasts: Forecasts) -> int:
    """Tell of each title whose p90 passes its launch: once a run and launch time.

    So a date that was moved is judged anew, and so is a new run of the title for the same date.
    """
    late = [one for one in forecasts.titles if one.late_s is not None and one.launch_at is not None]
    for one in late:
        launch_at = one.launch_at.isoformat() if one.launch_at else ""
        facts = one.model_dump(mode="json", include={"launch_at", "p50", "p90", "late_s", "priority"})
        run_id = _run_of(place, one.title_id)
        tell(place, "title.late", one.title_id, f"{one.title_id} {run_id} {launch_at}", {**facts, "run": run_id})
    return len(late)


def _run_of(place: Installation, title_id: str) -> str | None:
    try:
        return place.registry.title(title_id).run_id
    except NotFound:
        return None


def deliver(place: Installation) -> int:
    """POST what is due to the webhook; returns how many the receiver took.

    Each is delivered at least once, with the same ``webhook-id`` on every attempt. A receiver that is away gets it
    later: after 15 s, then twice as long each time up to an hour, for three days; one that answers 410 never again.
    Raises MissingRequirement where the webhook has no secret.
    """
    settings = place.settings
    if not settings.webhook_url:
        return 0
    if not settings.webhook_secret.get_secret_value():
        message = "TELECINE_WEBHOOK_URL is set without TELECINE_WEBHOOK_SECRET: events are never posted unsigned."
        raise MissingRequirement(message)
    outbox, taken = Outbox(place.registry), 0
    with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False) as client:
        # one at a time: a claim on many would lapse while a slow receiver takes the first of them
        while claimed := outbox.claim(datetime.now(UTC), _LEASE, most=1):
            taken += _tell(outbox, claimed[0], client, settings)
    return taken


def _tell(outbox: Outbox, notice: Notice, client: httpx.Client, settings: Settings) -> bool:
    """Whether the receiver took it."""
    problem, final = _post(client, settings.webhook_url, settings.webhook_secret.get_secret_value(), notice)
    return _settle(outbox, notice, problem, final=final)


def _settle(outbox: Outbox, notice: Notice, problem: str | None, *, final: bool) -> bool:
    """Write down how an attempt ended; whether the notice was taken."""
    if problem is None:
        outbox.told(notice.number)
        return True
    again_at = None if final else _next(notice)
    outbox.failed(notice.number, problem if again_at else f"given up: {problem}", again_at)
    log.warning("notice.not_taken", title=notice.title_id, notice=notice.event, to=notice.receiver, problem=problem)
    return False


def give(place: Installation, receiver: str, notify: Notify) -> int:
    """Give what is due for one receiver to its notifier; returns how many it took.

    At least once each, tried again as the webhook is. After one that it does not take the others wait for the next
    round, so that a notifier that hangs costs a round its own time limit and no more.
    """
    outbox, taken = Outbox(place.registry), 0
    while taken < _MOST_A_ROUND and (claimed := outbox.claim(datetime.now(UTC), _LEASE, 1, receiver)):
        (notice,) = claimed
        problem = notify(_content(notice))
        if not _settle(outbox, notice, problem, final=False):
            break
        taken += 1
    return taken


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """The header ``webhook-signature``: HMAC-SHA256 over id, time and body, base64, version v1."""
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            message = "TELECINE_WEBHOOK_SECRET begins with 'whsec_', but what follows is no base64."
            raise MissingRequirement(message) from None
    return secret.encode()


def _post(client: httpx.Client, url: str, secret: str, notice: Notice) -> tuple[str | None, bool]:
    """The problem, or None; and whether another attempt is in vain."""
    body = json.dumps(_content(notice), separators=(",", ":"))
    message_id, now = f"msg_{notice.number}", int(datetime.now(UTC).timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(secret, message_id, now, body),
    }
    try:
        answer = client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the receiver does not answer ({type(error).__name__})", False
    if answer.is_success:
        return None, False
    return f"the receiver answered {answer.status_code}", answer.status_code == httpx.codes.GONE


def _content(notice: Notice) -> dict[str, Any]:
    """What every receiver is told."""
    data = {"title": notice.title_id} | notice.facts
    return {"type": notice.event, "timestamp": notice.at.isoformat(), "data": data}


def _next(notice: Notice) -> datetime | None:
    now = datetime.now(UTC)
    if now - notice.at > _GIVE_UP_AFTER:
        return None
    doubled: timedelta = _FIRST_DELAY * 2 ** min(notice.attempts, 16)
    return now + min(_LONGEST_DELAY, doubled)
