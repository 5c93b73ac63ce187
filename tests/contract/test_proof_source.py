"""The proof reads packages from web servers, also from those that only browsers know by name."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from packagers.evidence.offers import Ref
from packagers.evidence.source import WebSource

pytestmark = pytest.mark.server


@pytest.fixture
def served():
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Host"])
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"twelve")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "edge-a.localhost"])
def test_a_name_of_this_machine_needs_no_resolver_and_is_told_to_the_server(served, host):
    port, asked = served
    assert WebSource().get(Ref(f"http://{host}:{port}/manifest.mpd")).content == b"twelve"
    assert WebSource().get(Ref(f"http://{host}:{port}/media.mp4", span=(1, 3))).content == b"wel"
    assert asked == [f"{host}:{port}"] * 2
