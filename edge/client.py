"""How the pipeline talks to an edge: order a fill, and see what viewers see."""

import time
from collections.abc import Callable

import httpx
from pydantic import SecretStr

from edge.fill import FillOrder, FillProgress
from telecine.errors import (
    MissingRequirement,
    NotFound,
    PackageRejected,
    PreconditionFailed,
    TelecineError,
    Unavailable,
)
from telecine.loopback import reached
from telecine.publication import Edge, FillReceipt, Pointer, Publication

__all__ = ["await_pointer", "drop_version", "fill_edge", "held_by", "pointer_at"]

_SILENCE_S = 60
_STALL_S = 300
_POLL_S = 0.2

OnProgress = Callable[[int, int], None]


def fill_edge(
    edge: Edge, publication: Publication, token: SecretStr, *, on_progress: OnProgress | None = None
) -> FillReceipt:
    """Have an edge hold every object of a publication. Idempotent; survives restarts of the agent.

    ``on_progress`` hears objects proven and objects in all. Raises Unavailable when the agent gives no useful answer
    for a minute or no progress for five, PackageRejected when the origin or the receipt is not exactly this
    publication, MissingRequirement when the edge's disk is full.
    """
    order = FillOrder(
        title_id=publication.title_id, version=publication.version, inventory_sha256=publication.inventory_sha256
    )
    headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Content-Type": "application/json"}
    patience = _Patience()
    with httpx.Client(headers=headers, timeout=30, trust_env=not _is_local(edge.agent_url)) as client:
        while True:
            answer = _post(client, edge, order)
            if isinstance(answer, FillReceipt):
                return _checked(answer, edge, publication)
            patience.hear(answer)
            if isinstance(answer, FillProgress) and on_progress is not None:
                on_progress(answer.done, answer.total)
            time.sleep(_POLL_S if isinstance(answer, FillProgress) else 1)


def held_by(edge: Edge, title_id: str, version: str, token: SecretStr) -> FillReceipt | None:
    """The edge's receipt of a version that is wholly on its disk now; None where it is not. Raises Unavailable."""
    answer = _ask_of_version(edge, "GET", title_id, version, token)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    _require_success(answer, edge)
    return FillReceipt.model_validate_json(answer.content)


def drop_version(edge: Edge, title_id: str, version: str, token: SecretStr) -> int:
    """Have an edge forget a version; bytes freed, 0 when it was not there.

    Raises PreconditionFailed while the edge is being filled with it, Unavailable.
    """
    answer = _ask_of_version(edge, "DELETE", title_id, version, token)
    if answer.status_code == httpx.codes.CONFLICT:
        raise PreconditionFailed(_detail(answer))
    _require_success(answer, edge)
    return int(answer.json()["freed_bytes"])


def pointer_at(edge: Edge, title_id: str) -> Pointer | None:
    """What viewers of this edge get now; None where the title is not live. Raises Unavailable."""
    url = httpx.URL(f"{edge.base_url.rstrip('/')}/t/{title_id}/current.json")
    at, headers = reached(url)
    try:
        with httpx.Client(timeout=10, verify=url.scheme == "https", trust_env=not _is_local(str(at))) as client:
            answer = client.get(at, headers=headers)
    except httpx.TransportError as error:
        message = f"Edge {edge.name} does not answer ({type(error).__name__})."
        raise Unavailable(message) from error
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if not answer.is_success:
        message = f"Edge {edge.name} answered {answer.status_code} for the pointer of {title_id}."
        raise Unavailable(message)
    return Pointer.model_validate_json(answer.content)


def await_pointer(edge: Edge, pointer: Pointer, timeout_s: float) -> None:
    """Return once the edge serves this pointer or a newer one. Raises Unavailable after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = pointer_at(edge, pointer.title_id)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            found = None
        if found is not None and found.seq >= pointer.seq:
            return
        if time.monotonic() > deadline:
            serves = found.version if found else "nothing"
            message = f"Edge {edge.name} still serves {serves} of {pointer.title_id}, expected {pointer.version}."
            raise Unavailable(message)
        time.sleep(0.05)


def _ask_of_version(edge: Edge, method: str, title_id: str, version: str, token: SecretStr) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    try:
        # without TLS no certificates need be read, which takes longer than the question
        tls, local = edge.agent_url.startswith("https:"), _is_local(edge.agent_url)
        with httpx.Client(headers=headers, timeout=30, verify=tls, trust_env=not local) as client:
            return client.request(method, f"{edge.agent_url.rstrip('/')}/v1/titles/{title_id}/{version}")
    except httpx.TransportError as error:
        message = f"The agent of {edge.name} does not answer ({type(error).__name__})."
        raise Unavailable(message) from error


def _require_success(answer: httpx.Response, edge: Edge) -> None:
    if answer.is_success:
        return
    message = f"The agent of {edge.name} answered {answer.status_code}: {_detail(answer)}"
    raise Unavailable(message) if answer.is_server_error else TelecineError(message)


class _Patience:
    """How long a fill may say nothing new."""

    def __init__(self) -> None:
        self._heard = self._moved = time.monotonic()
        self._last: FillProgress | None = None

    def hear(self, answer: FillProgress | Unavailable) -> None:
        now = time.monotonic()
        if isinstance(answer, Unavailable):
            if now - self._heard > _SILENCE_S:
                raise answer
            return
        self._heard = now
        if answer != self._last:
            self._last, self._moved = answer, now
        if now - self._moved > _STALL_S:
            message = f"The fill is stuck at {answer.done} of {answer.total} objects."
            raise Unavailable(message)


def _post(client: httpx.Client, edge: Edge, order: FillOrder) -> FillReceipt | FillProgress | Unavailable:
    try:
        answer = client.post(f"{edge.agent_url.rstrip('/')}/v1/fills", content=order.model_dump_json())
    except httpx.TransportError as error:
        return Unavailable(f"The agent of {edge.name} does not answer ({type(error).__name__}).")
    if answer.status_code == httpx.codes.OK:
        return FillReceipt.model_validate_json(answer.content)
    if answer.status_code == httpx.codes.ACCEPTED:
        return FillProgress.model_validate_json(answer.content)
    message = f"{edge.name} cannot hold {order.title_id} {order.version}: {_detail(answer)}"
    match answer.status_code:
        case 422:
            raise PackageRejected(message)
        case 404:
            raise NotFound(message)
        case 507:
            raise MissingRequirement(message)
        case status if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Unavailable(message)
        case _:
            raise TelecineError(message)


def _checked(receipt: FillReceipt, edge: Edge, publication: Publication) -> FillReceipt:
    expected = (
        edge.name,
        publication.title_id,
        publication.version,
        publication.inventory_sha256,
        publication.objects,
        publication.size_bytes,
    )
    found = (
        receipt.edge,
        receipt.title_id,
        receipt.version,
        receipt.inventory_sha256,
        receipt.objects,
        receipt.size_bytes,
    )
    if found != expected:
        message = f"The receipt of {edge.name} is for {found}, expected {expected}."
        raise PackageRejected(message)
    return receipt


def _is_local(url: str) -> bool:
    """A proxy of the environment is not for this machine's own addresses."""
    host = httpx.URL(url).host
    return host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status_code}."
