"""Small real renditions for packaging: two picture sizes and two sounds, closed GOPs on one grid."""

import atexit
import hashlib
import shutil
import subprocess
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from pydantic import SecretBytes

from packagers.plan import Licences
from packagers.text import normalise_text
from packagers.verify import examine
from packagers.work import PackageRequest
from profiles.models import PackagingProfile
from telecine.keystore import SealedKeyStore
from telecine.media import FrameRate
from telecine.protection import KeyAssignment, further_label
from telecine.rendition import Rendition, RenditionSet
from telecine.storage.keys import sha256_of_file
from telecine.storage.local import LocalStore
from telecine.text import TextSource, TextTrack
from telecine.tools import tool_path

FRAMES, GOP, SEGMENT = 120, 24, 48
RATE = FrameRate(numerator=24000, denominator=1001)
DURATION = Fraction(FRAMES) / RATE.fraction
LICENCE_URL = "http://127.0.0.1:8600/v1/licenses/clearkey"
LICENCES = Licences(widevine="https://wv.example/?a=1&b=2", playready="https://pr.example/?a=1&b=2")
TITLE = "test-card"

_VIDEO = {"360p": ("HD", 640, 360, "avc1.64001e"), "180p": ("SD", 320, 180, "avc1.64000c")}
_SOUND = {"surround": 6, "stereo": 2, "stereo-high": 2}


@cache
def clips() -> Path:
    """A folder of clear tracks, made once a run."""
    folder = Path(mkdtemp(prefix="telecine-clips-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, (_, width, height, _) in _VIDEO.items():
        colour = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
        source = f"testsrc2=size={width}x{height}:rate={RATE},format=yuv420p,{colour}"
        coding = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", str(GOP)]
        closed = ["-keyint_min", str(GOP), "-sc_threshold", "0", "-flags", "+cgop", "-video_track_timescale", "24000"]
        _ffmpeg("-i", source, "-frames:v", str(FRAMES), *coding, *closed, str(folder / f"{name}.mp4"))
    for name, channels in _SOUND.items():
        tones = "|".join(f"0.1*sin({440 * (n + 1)}*t)" for n in range(channels))
        layout = "5.1" if channels > 2 else "stereo"
        source = f"aevalsrc=exprs={tones}:c={layout}:s=48000:d={float(DURATION)}"
        rate = 128 if name.endswith("-high") else 64
        _ffmpeg("-i", source, "-c:a", "aac", "-b:a", f"{rate * channels}k", str(folder / f"{name}.mp4"))
    return folder


def shelve(store, *, sound=("surround", "stereo"), pictures=("360p", "180p")) -> RenditionSet:
    """Put renditions into a store and say what they are; without pictures they are of sound alone."""
    video = [
        _rendition(store, name, kind="video", codec=codec, label=label, width=width, height=height, frames=FRAMES)
        for name, (label, width, height, codec) in _VIDEO.items()
        if name in pictures
    ]
    audio = [
        _rendition(store, name, kind="audio", codec="mp4a.40.2", label="AUDIO", channels=_SOUND[name], language="eng")
        for name in sound
    ]
    return RenditionSet(
        plan_digest="0" * 64,
        frames=FRAMES if video else 0,
        frame_rate=RATE,
        gop_frames=GOP,
        segment_frames=SEGMENT,
        renditions=(*video, *audio),
    )


class Bench:
    """Stores, keys and a request for one package, all under one folder."""

    def __init__(self, root: Path, scheme="cbcs", clear_lead_s=0, packaging=None, **renditions) -> None:
        self.root = root
        self.store = LocalStore(root / "store")
        self.keys = SealedKeyStore(LocalStore(root / "keys"), SecretBytes(bytes(range(32))))
        self.work_dir = root / "a work, dir"
        self.renditions = shelve(self.store, **renditions)
        labels = sorted({rendition.label for rendition in self.renditions.renditions})
        self.request = PackageRequest(
            title_id=TITLE,
            renditions=self.renditions,
            profile=PackagingProfile(scheme=scheme, clear_lead_s=clear_lead_s, **(packaging or {})),
            keys=self.keys.assign(TITLE, labels),
            licence_url=LICENCE_URL,
            licences=LICENCES,
            further_keys=self._further(labels) if scheme == "both" else None,
        )

    def _further(self, labels) -> KeyAssignment:
        given = self.keys.assign(TITLE, [further_label(label) for label in labels])
        return KeyAssignment(title_id=TITLE, kids={label: given.kids[further_label(label)] for label in labels})

    def content_keys(self):
        further = self.request.further_keys
        return (*self.keys.keys(self.request.keys), *(self.keys.keys(further) if further else ()))

    def secrets(self) -> dict[str, bytes]:
        """Every key of the package by its KID."""
        return {key.kid: key.key.get_secret_value() for key in self.content_keys()}


class GrantedKeys:
    """A licence source that grants what a key store holds of a title."""

    def __init__(self, keys, title=TITLE) -> None:
        self._keys, self._title = keys, title

    def keys(self, kids):
        return {kid: self._keys.key(self._title, kid).key for kid in kids}


def verify(package, renditions, licences, store, work_dir):
    """The report of a package that passes. Raises PackageRejected with every breach of one that does not."""
    report = examine(package, renditions, licences, store, work_dir)
    report.evidence.require_passed()
    return report


def text_track(store, content: str, language: str, kind: str = "subtitles") -> TextTrack:
    """A text as a title's request brings it to a package, kept in ``store``."""
    found = normalise_text(content.encode(), "x", TextSource(uri="file:///x", language=language, kind=kind), DURATION)
    sha256 = hashlib.sha256(found.content).hexdigest()
    store.put_bytes(f"texts/{sha256}.vtt", found.content, content_type="text/vtt")
    named = {"name": found.name, "kind": found.kind, "language": found.language, "title": found.title}
    return TextTrack(**named, key=f"texts/{sha256}.vtt", sha256=sha256, cues=found.cues)


def _rendition(store, name, **facts) -> Rendition:
    path = clips() / f"{name}.mp4"
    digest, size = sha256_of_file(path), path.stat().st_size
    key = f"renditions/{digest}.mp4"
    store.put_file(key, path, content_type="video/mp4", sha256=digest)
    average = int(size * 8 / DURATION)
    return Rendition(
        name=name, key=key, sha256=digest, size_bytes=size, duration=DURATION, average_bps=average, peak_bps=average,
        **facts,
    )  # fmt: skip


def _ffmpeg(*arguments: str) -> None:
    command = [tool_path("ffmpeg"), "-v", "error", "-nostdin", "-y", "-f", "lavfi", *arguments]
    subprocess.run(command, check=True, capture_output=True)
