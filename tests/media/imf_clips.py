"""Small Interoperable Master Packages: JPEG 2000 and PCM in MXF by the real ffmpeg, XML written here."""

import base64
import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from uuid import UUID

from encoders_clips import DARKEST, LEVELS, STEP, ffmpeg

CPL_NS = "http://www.smpte-ra.org/schemas/2067-3/2016"
CORE_NS = "http://www.smpte-ra.org/schemas/2067-2/2016"


def urn(number: int) -> str:
    return f"urn:uuid:{UUID(int=number)}"


def pictures(path: Path, *, frames: int, first: int, rate="24", coding=("-c:v", "jpeg2000")) -> Path:
    """Numbered grey frames from ``first`` on (the brightness of encoders_clips)."""
    lum = f"{DARKEST}+mod((N+{first})*{STEP},{LEVELS})"
    source = f"nullsrc=s=160x90:r={rate},format=gray,geq=lum='{lum}',scale=out_range=tv,format=yuv422p10le"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", str(frames), *coding, "-f", "mxf", str(path))
    return path


def clicks(path: Path, *, frames: int, rate: str, period: int, channels=2) -> Path:
    """PCM that starts each ``period``-th frame with a click; OP1a wants a picture beside it, which nobody asks for."""
    samples = 48000 / Fraction(rate)
    at = f"lt(mod(n\\,{period}*{samples.numerator}/{samples.denominator})\\,24)"
    sound = f"aevalsrc=exprs={'|'.join([f'0.9*{at}'] * channels)}:s=48000:d={float(frames / Fraction(rate))}"
    source = ["-f", "lavfi", "-i", f"color=s=32x32:r={rate}", "-f", "lavfi", "-i", sound]
    coding = ["-frames:v", str(frames), "-c:v", "mpeg2video", "-c:a", "pcm_s24le", "-shortest"]
    ffmpeg(*source, *coding, "-f", "mxf", str(path))
    return path


@dataclass
class Package:
    """What an IMP is made of: track files by name, and segments of {track: [(file, entry, duration, repeat)]}."""

    folder: Path
    rate: str
    files: dict[str, Path]
    segments: list[dict[str, list[tuple[str, int, int, int]]]]
    intrinsic: dict[str, int]
    extra: str = ""
    resource_extra: str = ""
    hashes: dict[str, str] = field(default_factory=dict)

    def id_of(self, name: str) -> str:
        return urn(100 + sorted(self.files).index(name))

    def write(self) -> Path:
        """All XML beside the track files; the path of the CPL."""
        cpl = self.folder / "CPL_feature.xml"
        cpl.write_text(self._cpl())
        assets = {"CPL_feature.xml": (urn(1), cpl)} | {n: (self.id_of(n), p) for n, p in self.files.items()}
        listed = "".join(self._listed(name, *found) for name, found in assets.items())
        pkl = self.folder / "PKL.xml"
        ns = "http://www.smpte-ra.org/schemas/2067-2/2016/PKL"
        pkl.write_text(f'<PackingList xmlns="{ns}"><Id>{urn(2)}</Id><AssetList>{listed}</AssetList></PackingList>')
        mapped = "".join(
            f"<Asset><Id>{identity}</Id>{'<PackingList>true</PackingList>' if name == 'PKL.xml' else ''}"
            f"<ChunkList><Chunk><Path>{name}</Path></Chunk></ChunkList></Asset>"
            for name, (identity, _) in ({"PKL.xml": (urn(2), pkl)} | assets).items()
        )
        ns = "http://www.smpte-ra.org/schemas/429-9/2007/AM"
        text = f'<AssetMap xmlns="{ns}"><Id>{urn(3)}</Id><AssetList>{mapped}</AssetList></AssetMap>'
        (self.folder / "ASSETMAP.xml").write_text(text)
        return cpl

    def _listed(self, name: str, identity: str, path: Path) -> str:
        own = base64.b64encode(hashlib.sha1(path.read_bytes()).digest()).decode()
        said = self.hashes.get(name, own)
        return f"<Asset><Id>{identity}</Id><Hash>{said}</Hash><Size>{path.stat().st_size}</Size><Type>x</Type></Asset>"

    def _cpl(self) -> str:
        tracks = list(dict.fromkeys(track for segment in self.segments for track in segment))
        rate = " ".join(str(part) for part in Fraction(self.rate).as_integer_ratio())
        segments = "".join(
            f"<Segment><Id>{urn(50 + place)}</Id><SequenceList>"
            + "".join(self._sequence(tracks.index(track), track, resources) for track, resources in segment.items())
            + f"{self.extra}</SequenceList></Segment>"
            for place, segment in enumerate(self.segments)
        )
        return (
            f'<?xml version="1.0"?><CompositionPlaylist xmlns="{CPL_NS}" xmlns:cc="{CORE_NS}"><Id>{urn(1)}</Id>'
            "<ContentTitle>Feature</ContentTitle>"
            f"<EditRate>{rate}</EditRate><EssenceDescriptorList><EssenceDescriptor><Id>{urn(900)}</Id><x><y>"
            "<RFC5646SpokenLanguage>fr-CA</RFC5646SpokenLanguage></y></x></EssenceDescriptor></EssenceDescriptorList>"
            f"<SegmentList>{segments}</SegmentList></CompositionPlaylist>"
        )

    def _sequence(self, place: int, track: str, resources: list[tuple[str, int, int, int]]) -> str:
        kind = "MainImageSequence" if track.startswith("image") else "MainAudioSequence"
        spelled = "".join(self._resource(*resource) for resource in resources)
        return (
            f"<cc:{kind}><Id>{urn(60 + place)}</Id><TrackId>{urn(70 + place)}</TrackId>"
            f"<ResourceList>{spelled}</ResourceList></cc:{kind}>"
        )

    def _resource(self, name: str, entry: int, duration: int, repeat: int) -> str:
        return (
            f"<Resource><Id>{urn(999)}</Id><IntrinsicDuration>{self.intrinsic[name]}</IntrinsicDuration>"
            f"<EntryPoint>{entry}</EntryPoint><SourceDuration>{duration}</SourceDuration>"
            f"<RepeatCount>{repeat}</RepeatCount><SourceEncoding>{urn(900)}</SourceEncoding>"
            f"<TrackFileId>{self.id_of(name)}</TrackFileId>{self.resource_extra}</Resource>"
        )


def feature(folder: Path, rate="24", **changes) -> Package:
    """Two segments over two picture files and one sound file, with entry points and a repeat."""
    folder.mkdir(exist_ok=True)
    files = {
        "reel 1.mxf": pictures(folder / "reel 1.mxf", frames=40, first=0, rate=rate),
        "reel2.mxf": pictures(folder / "reel2.mxf", frames=30, first=40, rate=rate),
        "sound.mxf": clicks(folder / "sound.mxf", frames=80, rate=rate, period=4),
    }
    segments = [
        {
            "image": [("reel 1.mxf", 7, 20, 1), ("reel 1.mxf", 30, 3, 4)],
            "audio": [("sound.mxf", 8, 20, 1), ("sound.mxf", 4, 4, 3)],
        },
        {"image": [("reel2.mxf", 5, 25, 1)], "audio": [("sound.mxf", 40, 25, 1)]},
    ]
    intrinsic = {"reel 1.mxf": 40, "reel2.mxf": 30, "sound.mxf": 80}
    return Package(folder, rate, files, segments, intrinsic, **changes)


FEATURE_FRAMES = [*range(7, 27), *[30, 31, 32] * 4, *range(45, 70)]
"""Numbers of the frames that ``feature`` shows, in order."""
