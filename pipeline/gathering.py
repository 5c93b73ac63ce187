"""A master on S3 with a sidecar of sound, brought to a folder of this machine: sidecars name files beside them."""

import secrets
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import yaml
from pydantic import ValidationError

from pipeline.workplace import Workplace
from telecine.document import digest_of
from telecine.errors import SourceRejected
from telecine.soundmap import SoundMap
from telecine.storage.keys import bucket_and_key

__all__ = ["gather", "sound_files"]


def gather(place: Workplace, uris: Sequence[str]) -> tuple[Path, ...]:
    """Objects as files of one folder under their own names, in order. Idempotent. Raises SourceRejected, Unavailable.

    The folder is named after the versions of the objects, so a changed one is never mixed with older ones.
    """
    found = []
    for uri in uris:
        bucket, key = bucket_and_key(uri)
        stored = place.open_bucket(bucket).head(key)
        if stored is None:
            raise SourceRejected(f"There is no {uri}, which was expected beside its master.")
        found.append((bucket, stored))
    folder = place.work_dir / "gathered" / digest_of([(bucket, one.key, one.etag) for bucket, one in found])[:32]
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for bucket, one in found:
        path = folder / PurePosixPath(one.key).name
        if not path.is_file() or path.stat().st_size != one.size_bytes:
            own = folder / f".{secrets.token_hex(8)}{path.suffix}"  # others may be at it at the same time
            place.open_bucket(bucket).get_file(one.key, own)
            own.replace(path)
        paths.append(path)
    return tuple(paths)


def sound_files(sidecar: bytes, name: str) -> tuple[str, ...]:
    """Names of the files that a sidecar of sound takes its tracks from. Raises SourceRejected when it is none."""
    try:
        found = SoundMap.model_validate(yaml.safe_load(sidecar.decode("utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        message = f"The sidecar {name} cannot be read as one: {' '.join(str(error).split())[:300]}."
        raise SourceRejected(message) from None
    named = [
        file for track in found.tracks for file in (track.file, *(s.file for s in (track.channels or {}).values()))
    ]
    files = tuple(dict.fromkeys(file for file in named if file))
    for file in files:
        if "/" in file or file.startswith("."):
            raise SourceRejected(f"The sidecar {name} names {file}: a file right beside the master was expected.")
    return files
