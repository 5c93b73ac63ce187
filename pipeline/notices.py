"""Telling the world of titles: an outbox that a signed webhook empties, by the Standard Webhooks specification 1.0."""

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx

from pipeline.installation import Installation
from telecine.errors import MissingRequirement, TelecineError
from telecine.forecast import Forecasts
from telecine.log import get_logger
from telecine.registry.notices import Notice, Outbox
from telecine.settings import Settings

__all__ = ["Event", "deliver", "signature", "tell", "tell_late"]

log = get_logger(__name__)

Event = Literal["title.late", "title.needs_approval", "title.live", "title.failed"]

_TIMEOUT_S = 10
_LEASE = timedelta(minutes=2)
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(hours=1)
_GIVE_UP_AFTER = timedelta(days=3)


def tell(place: Installation, event: Event, title_id: str, once: str, facts: dict[str, Any]) -> None:
    """Put an event into the outbox; the same ``once`` is told once. Never stands in a release's way."""
    try:
        Outbox(place.registry).put(event, title_id, f"{event} {once}"[:200], facts)
    except TelecineError as error:
        log.warning("notice.lost", title=title_id, notice=event, problem=str(error))


def tell_late(place: Installation, forecasts: Forecasts) -> int:
    """Tell of each title whose p90 passes its launch: once a launch time, so a new date is judged anew."""
    late = [one for one in forecasts.titles if one.late_s is not None and one.launch_at is not None]
    for one in late:
        launch_at = one.launch_at.isoformat() if one.launch_at else ""
        facts = one.model_dump(mode="json", include={"launch_at", "p50", "p90", "late_s", "priority"})
        tell(place, "title.late", one.title_id, f"{one.title_id} {launch_at}", facts)
    return len(late)


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
    if problem is None:
        outbox.told(notice.number)
        return True
    again_at = None if final else _next(notice)
    outbox.failed(notice.number, problem if again_at else f"given up: {problem}", again_at)
    log.warning("notice.not_taken", title=notice.title_id, notice=notice.event, problem=problem)
    return False


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
    content = {
        "type": notice.event,
        "timestamp": notice.at.isoformat(),
        "data": {"title": notice.title_id} | notice.facts,
    }
    body = json.dumps(content, separators=(",", ":"))
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


def _next(notice: Notice) -> datetime | None:
    now = datetime.now(UTC)
    if now - notice.at > _GIVE_UP_AFTER:
        return None
    doubled: timedelta = _FIRST_DELAY * 2 ** min(notice.attempts, 16)
    return now + min(_LONGEST_DELAY, doubled)
