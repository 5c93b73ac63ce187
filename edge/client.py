"""How the pipeline talks to an edge: order a fill, and see what viewers see."""

import time

import httpx
from pydantic import SecretStr

from edge.fill import FillOrder
from telecine.errors import PackageRejected, Unavailable
from telecine.publication import Edge, FillReceipt, Pointer, Publication

__all__ = ["await_pointer", "fill_edge", "pointer_at"]

_SILENCE_S = 120
_POLL_S = 0.5


def fill_edge(edge: Edge, publication: Publication, token: SecretStr) -> FillReceipt:
    """Have an edge hold every object of a publication. Idempotent; survives restarts of the agent.

    Raises Unavailable when the agent is silent for two minutes or cannot reach the origin, PackageRejected when its
    receipt is not for exactly this publication.
    """
    order = FillOrder(
        title_id=publication.title_id, version=publication.version, inventory_sha256=publication.inventory_sha256
    )
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    heard = time.monotonic()
    with httpx.Client(base_url=edge.agent_url, headers=headers, timeout=30) as client:
        while True:
            try:
                answer = client.post("/v1/fills", content=order.model_dump_json())
            except httpx.TransportError as error:
                if time.monotonic() - heard > _SILENCE_S:
                    message = f"The agent of {edge.name} does not answer ({type(error).__name__})."
                    raise Unavailable(message) from error
                time.sleep(1)
                continue
            heard = time.monotonic()
            if answer.status_code == httpx.codes.OK:
                return _checked(FillReceipt.model_validate_json(answer.content), edge, publication)
            if answer.status_code != httpx.codes.ACCEPTED:
                message = f"{edge.name} cannot hold {publication.title_id}: {_detail(answer)}"
                raise Unavailable(message)
            time.sleep(_POLL_S)


def pointer_at(edge: Edge, title_id: str) -> Pointer | None:
    """What viewers of this edge get now; None where the title is not live. Raises Unavailable."""
    url = httpx.URL(edge.base_url)
    host = url.netloc.decode()
    reached = url.copy_with(host="127.0.0.1") if url.host.endswith(".localhost") else url
    try:
        answer = httpx.get(f"{reached}/t/{title_id}/current.json", headers={"Host": host}, timeout=10)
    except httpx.TransportError as error:
        message = f"Edge {edge.name} does not answer ({type(error).__name__})."
        raise Unavailable(message) from error
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.is_error:
        message = f"Edge {edge.name} answered {answer.status_code}."
        raise Unavailable(message)
    return Pointer.model_validate_json(answer.content)


def await_pointer(edge: Edge, pointer: Pointer, timeout_s: float) -> None:
    """Return once the edge serves this pointer or a newer one. Raises Unavailable after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = pointer_at(edge, pointer.title_id)
        if found is not None and found.seq >= pointer.seq:
            return
        if time.monotonic() > deadline:
            message = f"Edge {edge.name} still serves {found.version if found else 'nothing'} of {pointer.title_id}."
            raise Unavailable(message)
        time.sleep(0.05)


def _checked(receipt: FillReceipt, edge: Edge, publication: Publication) -> FillReceipt:
    expected = (edge.name, publication.inventory_sha256, publication.objects, publication.size_bytes)
    found = (receipt.edge, receipt.inventory_sha256, receipt.objects, receipt.size_bytes)
    if found != expected:
        message = f"The receipt of {edge.name} is for {found}, expected {expected}."
        raise PackageRejected(message)
    return receipt


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError):
        return f"it answered {answer.status_code}"
