"""The master key: its file, envelopes of the old form, and a rotation that may be killed anywhere."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretBytes

from telecine.errors import MissingRequirement, PreconditionFailed, TelecineError
from telecine.keys.master import MasterKeyFile, master_key_id
from telecine.keys.rotation import rotate
from telecine.keystore import SealedKeyStore, load_or_create_master_key
from telecine.storage.local import LocalStore
from telecine.storage.memory import MemoryStore

TITLES = ("bunny", "sintel", "tears")
LABELS = ("AUDIO", "HD", "SD")


class Killed(Exception):
    pass


class DyingStore(MemoryStore):
    """Dies at a write, as a process that is killed: before it, with nothing written."""

    writes_left = 1 << 30

    def put_bytes(self, *args, **kwargs):
        if self.writes_left == 0:
            raise Killed
        self.writes_left -= 1
        return super().put_bytes(*args, **kwargs)


class Installation:
    """A master key file and sealed keys of some titles, with what they opened to at first."""

    def __init__(self, folder: Path, store=None) -> None:
        self.path = folder / "secrets" / "master.key"
        self.store = store or DyingStore()
        self.assigned = {title: self.opened().assign(title, LABELS) for title in TITLES}
        self.first = self.contents()

    def opened(self) -> SealedKeyStore:
        return SealedKeyStore(self.store, MasterKeyFile(self.path))

    def contents(self):
        keys = self.opened()
        return {title: keys.keys(assignment) for title, assignment in self.assigned.items()}

    def wraps(self):
        return {json.loads(self.store.get_bytes(f"keys/{title}.json")[0])["data_key"]["master"] for title in TITLES}

    def sealed(self):
        return {title: json.loads(self.store.get_bytes(f"keys/{title}.json")[0])["keys"] for title in TITLES}

    def rotate(self):
        return rotate(MasterKeyFile(self.path), self.opened())

    def current(self):
        return master_key_id(load_or_create_master_key(self.path))


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path)


def old_title(title_id: str, master: bytes, labels=("HD", "SD")) -> tuple[bytes, dict[str, tuple[str, bytes]]]:
    """A document as it was before titles had data keys, and its KIDs and keys by label."""
    made, sealed = {}, []
    for number, label in enumerate(labels):
        kid, secret, nonce = f"{number:032x}", os.urandom(32), os.urandom(12)
        cipher = AESGCM(master).encrypt(nonce, secret, json.dumps([title_id, label, kid]).encode())
        sealed.append({"kid": kid, "label": label, "nonce": nonce.hex(), "sealed": cipher.hex()})
        made[label] = (kid, secret[:16])
    return json.dumps({"title_id": title_id, "keys": sealed}).encode(), made


def test_a_title_sealed_without_data_key_opens_and_gets_one_at_the_next_write():
    store, master = MemoryStore(), os.urandom(32)
    content, made = old_title("bunny", master)
    store.put_bytes("keys/bunny.json", content, content_type="application/json")
    keys = SealedKeyStore(store, SecretBytes(master))
    assert keys.assign("bunny", ["HD"]).kids == {"HD": made["HD"][0]}
    assert keys.key("bunny", made["HD"][0]).key.get_secret_value() == made["HD"][1]
    assert store.get_bytes("keys/bunny.json")[0] == content, "reading writes nothing"
    keys.assign("bunny", ["AUDIO"])
    written = json.loads(store.get_bytes("keys/bunny.json")[0])
    assert written["data_key"]["master"] == master_key_id(SecretBytes(master))
    assert not {key["sealed"] for key in written["keys"]} & {key["sealed"] for key in json.loads(content)["keys"]}
    for label in ("HD", "SD"):
        assert keys.key("bunny", made[label][0]).key.get_secret_value() == made[label][1]


def test_a_title_sealed_without_data_key_is_rotated_too(installation):
    master = load_or_create_master_key(installation.path).get_secret_value()
    content, made = old_title("antique", master)
    installation.store.put_bytes("keys/antique.json", content, content_type="application/json")
    assert installation.rotate().rewrapped == len(TITLES) + 1
    assert installation.opened().key("antique", made["SD"][0]).key.get_secret_value() == made["SD"][1]


def test_a_rotation_changes_the_wraps_of_data_keys_and_nothing_else(installation):
    before, sealed, old = installation.wraps(), installation.sealed(), installation.path.read_text()
    done = installation.rotate()
    assert (done.titles, done.rewrapped) == (3, 3)
    assert installation.wraps() == {installation.current()} != before
    assert installation.sealed() == sealed
    assert installation.contents() == installation.first
    assert installation.path.read_text() != old
    assert installation.path.stat().st_mode & 0o777 == 0o600


def test_the_master_key_before_a_rotation_is_gone_and_opens_nothing(installation):
    old = load_or_create_master_key(installation.path)
    installation.rotate()
    held = [path.read_text().strip() for path in installation.path.parent.iterdir()]
    assert old.get_secret_value().hex() not in held
    with pytest.raises(TelecineError, match="another master key"):
        SealedKeyStore(installation.store, old).keys(installation.assigned["bunny"])


@pytest.mark.parametrize("written", range(len(TITLES)))
def test_a_rotation_killed_between_titles_loses_nothing_and_goes_on(tmp_path, written):
    installation = Installation(tmp_path)
    installation.store.writes_left = written
    with pytest.raises(Killed):
        installation.rotate()
    assert len(installation.wraps()) == (2 if written else 1)
    assert installation.contents() == installation.first
    new = installation.current()
    installation.store.writes_left = 1 << 30
    late = installation.opened().assign("late", ["SD"])
    assert installation.rotate().rewrapped == len(TITLES) - written
    assert installation.wraps() == {new} == {installation.current()}
    assert installation.contents() == installation.first
    assert installation.opened().keys(late)
    assert {path.name for path in installation.path.parent.glob("master*")} == {"master.key"}


def leave_next(path: Path) -> None:
    """Killed after the new key was written and before the old one was set aside."""
    load_or_create_master_key(path.with_name("master.key.next"))


def leave_next_and_old(path: Path) -> None:
    """Killed after the old key was set aside and before the new one took its place."""
    leave_next(path)
    os.link(path, path.with_name("master.key.old"))


@pytest.mark.parametrize("killed", [leave_next, leave_next_and_old])
def test_a_rotation_killed_while_it_changes_files_loses_nothing_and_goes_on(installation, killed):
    killed(installation.path)
    assert installation.contents() == installation.first
    before = installation.current()
    installation.rotate()
    assert installation.contents() == installation.first
    assert installation.wraps() == {installation.current()} != {before}
    assert {path.name for path in installation.path.parent.glob("master*")} == {"master.key"}


def test_a_process_that_runs_since_before_a_rotation_goes_on_reading_and_writing(installation):
    veteran = installation.opened()
    veteran.keys(installation.assigned["bunny"])
    installation.rotate()
    assert veteran.keys(installation.assigned["bunny"]) == installation.first["bunny"]
    made = veteran.assign("new", ["SD"])
    assert json.loads(installation.store.get_bytes("keys/new.json")[0])["data_key"]["master"] == installation.current()
    assert installation.opened().keys(made) == veteran.keys(made)


def test_writers_beside_rotations_lose_no_key(tmp_path):
    installation = Installation(tmp_path, LocalStore(tmp_path / "keys"))

    def grow(number):
        keys = installation.opened()
        return keys.keys(keys.assign(f"title-{number % 4}", [f"L{number}"])), keys.rekey(f"title-{number % 4}")

    with ThreadPoolExecutor(5) as pool:
        grown = [pool.submit(grow, number) for number in range(24)]
        for _ in range(4):
            installation.rotate()
        found = [one.result() for one in grown]
    keys = installation.opened()
    for made, again in found:
        for key in made:
            title_id = f"title-{int(key.label[1:]) % 4}"
            assert keys.key(title_id, key.kid) == key
        assert keys.keys(again)


def test_two_rotations_at_once_are_refused(installation):
    with MasterKeyFile(installation.path).rotating(), pytest.raises(MissingRequirement, match="under way"):
        installation.rotate()


ROTATING = """
import sys
from pathlib import Path
from telecine.keys.master import MasterKeyFile
from telecine.keys.rotation import rotate
from telecine.keystore import SealedKeyStore
from telecine.storage.local import LocalStore
master = MasterKeyFile(Path(sys.argv[1]))
print("ready", flush=True)
rotate(master, SealedKeyStore(LocalStore(Path(sys.argv[2])), master))
"""


def test_a_rotation_killed_by_the_kernel_again_and_again_loses_nothing(tmp_path):
    installation = Installation(tmp_path, LocalStore(tmp_path / "keys"))
    keys = installation.opened()
    many = [keys.assign(f"title-{number}", ["SD"]) for number in range(60)]
    first = [keys.keys(assignment) for assignment in many]
    killed = 0
    for delay_ms in (0, 3, 8, 15, 25, 40):
        argv = [sys.executable, "-c", ROTATING, str(installation.path), str(tmp_path / "keys")]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(delay_ms / 1000)
            killed += child.poll() is None
            child.send_signal(signal.SIGKILL)
        assert [installation.opened().keys(assignment) for assignment in many] == first
    assert killed
    installation.rotate()
    assert [installation.opened().keys(assignment) for assignment in many] == first
    assert {path.name for path in installation.path.parent.glob("master*")} == {"master.key"}


def test_a_conditional_write_that_loses_is_tried_with_what_won(installation):
    class Contested(MemoryStore):
        lost = 0

        def put_bytes(self, *args, **kwargs):
            if self.lost < 2:
                self.lost += 1
                message = "somebody was quicker"
                raise PreconditionFailed(message)
            return super().put_bytes(*args, **kwargs)

    keys = SealedKeyStore(Contested(), MasterKeyFile(installation.path))
    assert keys.keys(keys.assign("bunny", ["SD"]))


def test_the_master_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "secrets" / "master.key"
    with ThreadPoolExecutor(8) as pool:
        made = {key.get_secret_value() for key in pool.map(lambda _: load_or_create_master_key(path), range(16))}
    assert len(made) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]


def test_a_master_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "master.key"
    load_or_create_master_key(path)
    path.chmod(0o644)
    with pytest.raises(MissingRequirement, match="chmod 600"):
        load_or_create_master_key(path)


def test_a_damaged_master_key_file_is_said(tmp_path):
    path = tmp_path / "master.key"
    path.touch(mode=0o600)
    path.write_text("not a key")
    with pytest.raises(MissingRequirement, match="64 hexadecimal digits"):
        load_or_create_master_key(path)
