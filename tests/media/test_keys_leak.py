"""A run leaves no key behind: not in its output, its data, temporary files, logs, nor in any process's argv or
environment. Only the file of the master key holds the master key.
"""

import base64
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from telecine.keys.master import MasterKeyFile
from telecine.keys.opening import open_sealed_keys
from telecine.keys.sealing import SealedTitle, open_data_key
from telecine.protection import further_label
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "contract"))
from encoders_clips import numbered_clip
from key_certificates import identity
from secret_search import Watched, forms, leaks, leaks_in_files, watching
from speke_server import running_vendor

pytestmark = [pytest.mark.media, pytest.mark.alone]

PROFILE = """
name: tiny
summary: for the search for keys
gop_seconds: 1
segment_gops: 1
video:
  - {name: small, codec: x264, width: 160, height: 90, crf: 30, max_bps: 200000, preset: ultrafast}
  - {name: premium, codec: x264, width: 96, height: 54, crf: 30, max_bps: 100000, preset: ultrafast, label: PREMIUM}
audio:
  - {name: stereo, codec: aac, channels: 2, bitrate_bps: 64000}
packaging: {scheme: cbcs}
"""
BOTH = PROFILE.replace("name: tiny", "name: both").replace("scheme: cbcs", "scheme: both")
LABELS = {"AUDIO", "PREMIUM", "SD"}
OF_BOTH_SETS = LABELS | {further_label(label) for label in LABELS}


@dataclass
class Run:
    """A run of ``telecine`` in a folder of its own, and what was seen of it."""

    folder: Path
    status: int
    watched: Watched

    @property
    def said(self) -> str:
        return (self.folder / "run.log").read_text()

    @property
    def settings(self) -> Settings:
        return Settings(_env_file=None, data_dir=self.folder / "data")

    def secrets(self) -> dict[str, bytes]:
        """Every content key, the data key and the master key."""
        keys, master = open_sealed_keys(self.settings), MasterKeyFile(self.settings.kek_file).known()
        found = {"master key": master[0].get_secret_value()}
        for title_id in keys.titles():
            content, _ = LocalStore(self.settings.data_dir / "keys").get_bytes(f"keys/{title_id}.json")
            title = SealedTitle.model_validate_json(content)
            data_key = open_data_key(title, master)
            assert data_key is not None
            found[f"data key of {title_id}"] = data_key.secret.get_secret_value()
            for sealed in title.keys:
                found[f"key {sealed.label}"] = keys.key(title_id, sealed.kid).key.get_secret_value()
        return found

    def found(self) -> dict[str, set[tuple[str, str]]]:
        """Where secrets were seen, but for the one place where the master key belongs."""
        secrets = self.secrets()
        places = leaks_in_files(secrets, self.folder)
        kept = places.pop("data/secrets/master.key", set())
        assert kept == {("master key", "hex")}
        assert self.settings.kek_file.stat().st_mode & 0o777 == 0o600
        seen = (("argv", self.watched.argvs), ("environment", self.watched.environments))
        return places | {name: held for name, shown in seen if (held := leaks(secrets, b"\0\0".join(shown)))}


def telecine(folder: Path, *words: str, **environment: str) -> Run:
    for name in ("home", "tmp", "catalogue"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "catalogue" / "tiny.yaml").write_text(PROFILE)
    (folder / "catalogue" / "both.yaml").write_text(BOTH)
    settled = {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "TELECINE_DATA_DIR": str(folder / "data"),
        "TELECINE_CATALOGUE_DIR": str(folder / "catalogue"),
        "TELECINE_PLAYBACK_URL": "http://127.0.0.1:8600",
        "TELECINE_DEBUG": "1",
        "PATH": os.environ["PATH"],
    }
    argv = [str(Path(sys.executable).with_name("telecine")), *words]
    with (folder / "run.log").open("ab") as log, watching(f"TELECINE_DATA_DIR={folder}/data") as watched:
        done = subprocess.run(argv, env=settled | environment, stdout=log, stderr=log, cwd=folder, check=False)
    return Run(folder, done.returncode, watched)


def make(folder: Path, profile: str = "tiny", **environment: str) -> Run:
    tone = ["-f", "lavfi", "-i", "sine=440:d=2"]
    numbered_clip(folder / "clip.mp4", seconds="2", sound=tone)
    return telecine(folder, "make", "clip.mp4", "out", "--profile", profile, "--title", "clip", **environment)


def tool(folder: Path, text: str) -> str:
    path = folder / "packager"
    path.write_text(f'#!/bin/sh\nfor last; do :; done\nflags="${{last#*=}}"\nreal="{tool_path("packager")}"\n{text}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("provider", ["local", "speke"])
def test_making_a_title_leaves_no_key_behind(tmp_path, provider):
    with ExitStack() as stack:
        environment = {}
        if provider == "speke":
            certificate, private_key = identity().write(tmp_path)
            vendor = stack.enter_context(running_vendor())
            environment = {
                "TELECINE_KEY_PROVIDER": "speke",
                "TELECINE_SPEKE_URL": vendor.url,
                "TELECINE_SPEKE_AUTHORIZATION": vendor.authorization,
                "TELECINE_SPEKE_CERTIFICATE_FILE": str(certificate),
                "TELECINE_SPEKE_PRIVATE_KEY_FILE": str(private_key),
            }
        run = make(tmp_path, "both", **environment)
    assert run.status == 0, run.said
    assert (tmp_path / "out" / "package" / "cenc" / "manifest.mpd").exists()
    assert {name for name in run.secrets() if name.startswith("key ")} == {f"key {label}" for label in OF_BOTH_SETS}
    packagers = [name for name in run.watched.programs() if name.startswith("packager")]
    assert packagers, "the packager was not seen, so nothing is proven"
    assert any(name.startswith("ffmpeg") for name in run.watched.programs())
    assert run.found() == {}
    verified = telecine(tmp_path, "verify", "out/package/cenc/manifest.mpd")
    assert verified.status == 0, verified.said
    verified = telecine(tmp_path, "verify", "out")
    assert verified.status == 0, verified.said
    assert all(f"cenc/{name}" in verified.said for name in ("small", "premium", "stereo")), verified.said
    assert verified.found() == {}


def test_the_search_sees_what_a_careless_tool_shows(tmp_path):
    careless = (
        'LEAK=$(cat "$flags") sh -c "sleep 0.3"\nsh -c "sleep 0.3; :" "$(cat "$flags")"\ncp "$flags" "$TMPDIR/kept"'
    )
    run = make(
        tmp_path,
        TELECINE_TOOL_PACKAGER=tool(tmp_path, f'case "$last" in --flagfile*) {careless};; esac\nexec "$real" "$@"'),
    )
    assert run.status == 0, run.said
    shown = {(f"key {label}", "hex") for label in LABELS}
    assert run.found() == {"argv": shown, "environment": shown, "tmp/kept": shown}


def test_a_packager_that_quotes_its_keys_in_a_complaint_spills_none(tmp_path):
    spilling = 'case "$last" in --flagfile*) cat "$flags" >&2; exit 1;; esac\nexec "$real" "$@"'
    run = make(tmp_path, TELECINE_TOOL_PACKAGER=tool(tmp_path, spilling))
    assert run.status != 0
    assert "(key)" in run.said, "the complaint was not shown, so nothing is proven"
    assert run.found() == {}


def test_a_sealed_key_that_was_changed_ends_without_showing_any(tmp_path):
    assert make(tmp_path).status == 0
    store = LocalStore(tmp_path / "data" / "keys")
    content, _ = store.get_bytes("keys/clip.json")
    title = json.loads(content)
    sealed = title["keys"][0]["sealed"]
    title["keys"][0]["sealed"] = ("1" if sealed[0] == "0" else "0") + sealed[1:]
    store.put_bytes("keys/clip.json", json.dumps(title).encode(), content_type="application/json")
    failed = make(tmp_path)
    assert failed.status != 0
    assert "does not open" in failed.said
    store.put_bytes("keys/clip.json", content, content_type="application/json")
    assert failed.found() == {}


def test_a_vendor_that_answers_nonsense_full_of_keys_is_not_quoted(tmp_path):
    with running_vendor() as vendor:
        spoken: list[bytes] = []

        def spoil(root) -> None:
            for value in root.iter("{urn:ietf:params:xml:ns:keyprov:pskc}PlainValue"):
                spoken.append(base64.b64decode(value.text))
                value.text = value.text[:-2] + "#" + value.text

        vendor.spoil = spoil
        run = make(
            tmp_path,
            TELECINE_KEY_PROVIDER="speke",
            TELECINE_SPEKE_URL=vendor.url,
            TELECINE_SPEKE_AUTHORIZATION=vendor.authorization,
        )
    assert run.status != 0
    assert "answers what cannot be used" in run.said
    assert len(spoken) == len(LABELS)
    told = {str(number): key for number, key in enumerate(spoken)}
    assert leaks_in_files(told, tmp_path) == {}
    assert "vendor-token" not in run.said


def test_exporting_listing_and_rotating_show_no_key(tmp_path):
    open_sealed_keys(Settings(_env_file=None, data_dir=tmp_path / "data")).assign("clip", sorted(LABELS))
    certificate, _ = identity().write(tmp_path)
    for words in (
        ["list", "clip", "--json"],
        ["rotate"],
        ["rekey", "clip"],
        ["export", "clip", "--to", "keys.xml", "--recipient", str(certificate)],
    ):
        run = telecine(tmp_path, "keys", *words)
        assert run.status == 0, run.said
    assert run.found() == {}
    assert telecine(tmp_path, "keys", "export", "clip", "--to", "clear.xml").found()["clear.xml"]


@pytest.mark.parametrize("form", sorted(forms(bytes(16))))
def test_the_search_finds_every_form(tmp_path, form):
    secret = os.urandom(16)
    planted = forms(secret)[form]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(os.urandom(50) + planted + os.urandom(50))
    assert ("it", form) in leaks_in_files({"it": secret}, tmp_path)["deep/file"]
    assert leaks_in_files({"it": os.urandom(16)}, tmp_path) == {}


@pytest.mark.parametrize("before", range(6))
def test_the_search_finds_a_key_inside_longer_base64(before):
    secret = os.urandom(16)
    assert leaks({"it": secret}, base64.b64encode(os.urandom(before) + secret + os.urandom(7)))
    assert leaks({"it": secret}, base64.urlsafe_b64encode(os.urandom(before) + secret).rstrip(b"="))
