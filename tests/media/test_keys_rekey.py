"""New keys make a new version, a new master key makes none, and every version stays playable."""

import sys
from pathlib import Path

import pytest

from packagers.work import package
from telecine.keys.master import MasterKeyFile
from telecine.keys.rotation import rotate
from telecine.keystore import SealedKeyStore
from telecine.storage.local import LocalStore

sys.path.insert(0, str(Path(__file__).parent))
from packagers_clips import Bench, GrantedKeys, verify

pytestmark = pytest.mark.media


def test_new_keys_make_a_new_version_and_a_new_master_key_none(tmp_path):
    bench = Bench(tmp_path, sound=("stereo",), pictures=("180p",))
    master = MasterKeyFile(tmp_path / "secrets" / "master.key")
    keys = SealedKeyStore(LocalStore(tmp_path / "sealed"), master)
    title, labels = bench.request.title_id, sorted(bench.request.keys.kids)

    def made():
        request = bench.request.model_copy(update={"keys": keys.assign(title, labels)})
        return package(request, keys, bench.store, bench.work_dir)

    def proven(found):
        return verify(found, bench.renditions, GrantedKeys(keys, title), bench.store, bench.work_dir)

    first = made()
    rotate(master, keys)
    assert made() == first
    keys.rekey(title)
    second = made()
    assert second.version != first.version
    assert not set(second.keys.kids.values()) & set(first.keys.kids.values())
    assert proven(first)
    assert proven(second)
