"""Licence servers that hold our proxy to its contract: they check what a vendor's server would, over real HTTP."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

from playback.vendors.policy import POLICY_HEADER

__all__ = ["Counterpart", "counterpart"]

SECRET = "shared-" + "v" * 40


@dataclass
class Counterpart:
    """A running server: how it behaves, and what it was sent."""

    url: str = ""
    behaviour: str = "grants"
    challenges: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def license_of(challenge: bytes) -> bytes:
        """What it grants for a challenge: octets that no text codec takes."""
        return b"\x00\xff\xfeLICENCE" + hashlib.sha256(challenge).digest()


_FAILURES = {
    "refuses": (403, b"device revoked: SECRET-OF-THE-VENDOR"),
    "fails": (500, b"SECRET-OF-THE-VENDOR"),
    "is-empty": (200, b""),
}


class _LicenseServer(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        state = self.server.state
        challenge = self.rfile.read(int(self.headers["Content-Length"]))
        state.challenges.append(challenge)
        state.headers.append({name.lower(): value for name, value in self.headers.items()})
        if state.behaviour == "hangs-up":
            self.connection.close()
            return
        if state.behaviour == "is-silent":
            time.sleep(1.5)
        status, body = _FAILURES.get(state.behaviour) or self._judged(challenge)
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _judged(self, challenge: bytes) -> tuple[int, bytes]:
        statement = self.headers.get(POLICY_HEADER)
        if statement is None:
            certificate = challenge == b"\x08\x04"
            return (200, b"SERVICE-CERTIFICATE") if certificate else (401, b"no statement of policy")
        unchecked = {"verify_exp": False, "verify_iat": False}  # the tests' clock is not this machine's
        policy = jwt.decode(statement, SECRET, algorithms=["HS256"], options=unchecked)
        digest = hashlib.sha256(challenge).hexdigest()
        if policy["challenge_sha256"] != digest or policy["exp"] <= self.server.now_s:
            return 401, b"the statement is of another challenge"
        self.server.state.policies.append(policy)
        return 200, Counterpart.license_of(challenge)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def __init__(self, state: Counterpart, now_s: float) -> None:
        self.state, self.now_s = state, now_s
        super().__init__(("127.0.0.1", 0), _LicenseServer)

    def handle_error(self, *_: object) -> None:
        """A player that went away is no fault of the server."""


@contextmanager
def counterpart(now_s: float) -> Iterator[Counterpart]:
    """A server on a free loopback port whose clock shows ``now_s``."""
    state = Counterpart()
    server = _Server(state, now_s)
    state.url = f"http://127.0.0.1:{server.server_port}/license"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
