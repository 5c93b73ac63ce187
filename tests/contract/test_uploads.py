"""Uploads as a page does them, against a real server process and a real S3 server that get killed in between."""

import hashlib
import secrets
import sys
from pathlib import Path

import httpx
import pytest

from telecine.keystore import load_or_create_master_key

pytestmark = pytest.mark.server
MIB = 1 << 20
SERVER = Path(__file__).parent / "upload_server.py"
OPS = {"x-caller": "olga:ops"}
OTHER = {"x-caller": "otto:ops"}
MANAGER = {"x-caller": "mia:manager"}


class Board:
    """The server, and what a page asks of it."""

    def __init__(self, program, url) -> None:
        self.program = program
        self.origin = url
        self.url = f"{url}/api/v1/uploads"

    def call(self, method, path="", headers=OPS, **more):
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60, **more)

    def start(self, file, headers=OPS):
        answer = self.call("POST", headers=headers, json=file.wanted)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def send(self, file, upload, numbers):
        signed = self.call("POST", f"/{upload['upload_id']}/sign", json={"parts": numbers}).json()
        for number in numbers:
            first = (number - 1) * upload["part_bytes"]
            content = file.content[first : first + upload["part_bytes"]]
            assert httpx.put(signed["urls"][str(number)], content=content).status_code == 200

    def complete(self, upload, sha256):
        return self.call("POST", f"/{upload['upload_id']}/complete", json={"sha256": sha256})

    def state(self, upload):
        return self.call("GET", f"/{upload['upload_id']}").json()["upload"]

    def parts(self, name, headers=MANAGER):
        """Of the newest upload of a file of that name."""
        found = next(one for one in self.call("GET", headers=headers).json() if one["name"] == name)
        return self.call("GET", f"/{found['upload_id']}", headers=headers).json()["parts"]

    def restart(self, until):
        self.program.start()
        until(lambda: self.call("GET").status_code == 200, 60)


class File:
    def __init__(self, size, name="Film.mov", kind="master") -> None:
        self.content = secrets.token_bytes(size)
        self.sha256 = hashlib.sha256(self.content).hexdigest()
        self.wanted = {"name": name, "size_bytes": size, "kind": kind, "delivery": secrets.token_hex(8)}


def environment(server, folder):
    server.store("telecine-work")
    load_or_create_master_key(folder / "secrets" / "master.key")
    return {
        "TELECINE_DATA_DIR": str(folder),
        "TELECINE_S3_ENDPOINT": server.endpoint,
        "TELECINE_S3_ACCESS_KEY": server.access_key,
        "TELECINE_S3_SECRET_KEY": server.secret_key.get_secret_value(),
        "TELECINE_UPLOAD_PART_BYTES": str(5 * MIB),
    }


def board_on(server, folder, make, free_ports, until, settings=None):
    (port,) = free_ports(1)
    program = make(
        [sys.executable, str(SERVER), str(port)],
        folder / "board",
        environment(server, folder / "data") | (settings or {}),
    )
    board = Board(program, f"http://127.0.0.1:{port}")
    board.restart(until)
    return board


@pytest.fixture(scope="module")
def board(s3_server, tmp_path_factory, module_program, free_ports, until):
    return board_on(s3_server, tmp_path_factory.mktemp("uploads"), module_program, free_ports, until)


def test_an_upload_cut_three_times_with_its_servers_killed_completes_with_the_right_digest(
    own_s3_server, tmp_path, program, free_ports, until
):
    board = board_on(own_s3_server, tmp_path, program, free_ports, until)
    file = File(5 * 5 * MIB + 12345)
    upload = board.start(file)["upload"]
    board.send(file, upload, [1, 3])
    # first cut: the page is closed, and opened again
    again = board.start(file)
    assert again["upload"]["multipart_id"] == upload["multipart_id"]
    assert [part["number"] for part in again["parts"]] == [1, 3]
    board.send(file, upload, [2])
    # second cut: the server is killed
    board.program.kill()
    board.restart(until)
    assert [part["number"] for part in board.start(file)["parts"]] == [1, 2, 3]
    board.send(file, upload, [4])
    # third cut: the store is killed too
    own_s3_server.kill()
    own_s3_server.start()
    own_s3_server.ready()
    there = [part["number"] for part in board.start(file)["parts"]]
    assert there == [1, 2, 3, 4]
    board.send(file, upload, [5, 6])
    assert board.complete(upload, file.sha256).json()["state"] in {"checking", "ready"}
    # and once more while the whole is checked
    board.program.kill()
    board.restart(until)
    until(lambda: board.state(upload)["state"] == "ready", 30)
    assert board.state(upload)["sha256"] == file.sha256
    stored = own_s3_server.store("telecine-work").get_bytes(upload["key"])[0]
    assert hashlib.sha256(stored).hexdigest() == file.sha256


def test_a_wrong_digest_is_told_and_the_file_may_be_sent_again(board, until):
    file = File(6 * MIB)
    upload = board.start(file)["upload"]
    board.send(file, upload, [1, 2])
    board.complete(upload, "0" * 64)
    found = until(lambda: (one := board.state(upload))["state"] != "checking" and one)
    assert found["state"] == "wrong"
    assert "arrived damaged" in found["problem"]
    assert file.sha256 in found["problem"]
    assert board.call("GET", f"/{upload['upload_id']}/plan").status_code == 422
    afresh = board.start(file)
    assert afresh["parts"] == []
    assert afresh["upload"]["state"] == "uploading"
    board.send(file, afresh["upload"], [1, 2])
    board.complete(afresh["upload"], file.sha256)
    until(lambda: board.state(upload)["state"] == "ready")


def test_an_upload_with_a_part_missing_is_not_completed(board):
    file = File(11 * MIB)
    upload = board.start(file)["upload"]
    board.send(file, upload, [1, 3])
    refused = board.complete(upload, file.sha256)
    assert refused.status_code == 422
    assert "these lack or differ in size: 2." in refused.json()["detail"]
    assert board.state(upload)["state"] == "uploading"


def test_a_part_of_another_size_is_found_before_the_whole_is_put_together(board):
    file = File(11 * MIB)
    upload = board.start(file)["upload"]
    signed = board.call("POST", f"/{upload['upload_id']}/sign", json={"parts": [1, 2, 3]}).json()["urls"]
    for url in signed.values():
        httpx.put(url, content=b"x" * MIB)
    assert "1, 2" in board.complete(upload, file.sha256).json()["detail"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "film.exe"}, "'.exe'"),
        ({"name": "../film.mov"}, "without '/'"),
        ({"name": "x" * 200 + ".mov"}, "cannot be used"),
        ({"name": "fi\nlm.mov"}, "cannot be used"),
        ({"size_bytes": 0}, "0 bytes"),
        ({"size_bytes": 6 << 40}, "bytes"),
        ({"kind": "subtitles", "name": "film.srt", "size_bytes": 1 << 30}, "expected to have 1 to"),
        ({"kind": "subtitles"}, "'.mov'"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_sentence(board, change, said):
    answer = board.call("POST", json={**File(1).wanted, **change})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_part_that_is_none_gets_no_address(board):
    upload = board.start(File(6 * MIB))["upload"]
    for number in (0, 3):
        answer = board.call("POST", f"/{upload['upload_id']}/sign", json={"parts": [number]})
        assert answer.status_code == 422, number


def test_only_the_owner_or_a_manager_sees_and_continues_an_upload(board):
    file = File(6 * MIB)
    upload = board.start(file)["upload"]
    path = f"/{upload['upload_id']}"
    for method, where, body in [
        ("GET", path, None),
        ("POST", f"{path}/sign", {"parts": [1]}),
        ("POST", f"{path}/complete", {"sha256": "0" * 64}),
        ("DELETE", path, None),
        ("POST", "", file.wanted),
    ]:
        assert board.call(method, where, headers=OTHER, json=body).status_code == 404, where
    listed = board.call("GET", headers=OTHER).json()
    assert upload["upload_id"] not in {one["upload_id"] for one in listed}
    assert board.call("GET", path, headers=MANAGER).status_code == 200
    assert upload["upload_id"] in {one["upload_id"] for one in board.call("GET", headers=MANAGER).json()}


def test_viewers_and_strangers_may_not_upload(board):
    body = File(1).wanted
    assert board.call("POST", headers={}, json=body).status_code == 401
    assert board.call("POST", headers={"x-caller": "vera:viewer"}, json=body).status_code == 403
    assert board.call("GET", headers={"x-caller": "vera:viewer"}).status_code == 403


def test_another_file_of_the_same_name_does_not_mix_with_the_first(board):
    file = File(6 * MIB)
    board.start(file)
    answer = board.call("POST", json={**file.wanted, "size_bytes": 7 * MIB})
    assert answer.status_code == 422
    assert "6291456 bytes" in answer.json()["detail"]


def test_what_is_given_up_leaves_nothing_and_may_begin_anew(board, s3_server):
    file = File(6 * MIB)
    upload = board.start(file)["upload"]
    board.send(file, upload, [1])
    assert board.call("DELETE", f"/{upload['upload_id']}").json()["state"] == "given_up"
    assert board.call("POST", f"/{upload['upload_id']}/sign", json={"parts": [2]}).status_code == 422
    assert board.start(file)["parts"] == []


def test_a_completion_said_twice_is_one(board, until):
    file = File(100)
    upload = board.start(file)["upload"]
    board.send(file, upload, [1])
    assert {board.complete(upload, file.sha256).status_code for _ in range(3)} == {200}
    until(lambda: board.state(upload)["state"] == "ready")


def test_a_master_that_is_none_is_refused_with_the_reason(board, until):
    file = File(3000)
    upload = board.start(file)["upload"]
    board.send(file, upload, [1])
    board.complete(upload, file.sha256)
    until(lambda: board.state(upload)["state"] == "ready")
    answer = until(lambda: (one := board.call("GET", f"/{upload['upload_id']}/plan")).status_code == 200 and one.json())
    assert answer["state"] == "refused"
    assert "Film.mov" in answer["reasons"][0]


def test_the_plan_of_a_master_says_what_is_in_it_and_what_is_made_of_it(board, until, make_clip):
    file = File(1)
    file.content = make_clip("upload.mp4", seconds=3, size="320x180").read_bytes()
    file.sha256 = hashlib.sha256(file.content).hexdigest()
    file.wanted = {**file.wanted, "name": "upload.mp4", "size_bytes": len(file.content)}
    upload = board.start(file)["upload"]
    board.send(file, upload, list(range(1, upload_parts(upload) + 1)))
    board.complete(upload, file.sha256)
    until(lambda: board.state(upload)["state"] == "ready")
    path = f"/{upload['upload_id']}/plan?profile=proxy"
    plan = until(lambda: (one := board.call("GET", path)).status_code == 200 and one.json(), 60)
    assert plan["state"] == "planned", plan
    assert "320x180" in plan["tracks"][0]
    assert plan["rungs"]
    assert plan["chunks"] >= 1
    assert plan["storage_bytes"] > 0
    assert plan["cost"] is None
    # no worker is up here, so nobody can say when; what it costs is reckoned
    assert plan["outlook"]["cpu_s"] > 0
    assert plan["outlook"]["ready_p50"] is None


def upload_parts(upload):
    return max(1, -(-upload["size_bytes"] // upload["part_bytes"]))
