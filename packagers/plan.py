"""Decides everything about a package before a tool runs: its streams, where each file goes, its version. Pure."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import Field

from packagers.placing import Placed
from profiles.models import PackagingProfile
from telecine.document import Document, digest_of
from telecine.drm import BOTH, CLEAR, DrmSystem, PackageScheme
from telecine.errors import PackageRejected
from telecine.media import SoundRole
from telecine.protection import DrmSystemSignal, KeyAssignment
from telecine.rendition import Rendition, RenditionSet
from telecine.text import Accessories
from telecine.title import TitleId

__all__ = [
    "DASH_PATH",
    "HLS_PATH",
    "Licences",
    "PackagePlan",
    "PackageRequest",
    "SoundKind",
    "Stream",
    "further_plans",
    "look_of",
    "package_key",
    "packages_prefix",
    "plan_package",
    "sound_kind",
    "streams_of",
]

DASH_PATH = "manifest.mpd"
HLS_PATH = "master.m3u8"

_RECIPE = 5
"""Counts changes of flags and manifests: a new number makes every version new."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_DIGITS = 9
_LEAST_STEP = 1.2
"""Bit rates of one ladder differ at least by this factor."""


class Licences(Document):
    """Where licences of other systems than Clear Key are asked for, as manifests say it; empty: they do not."""

    widevine: str = ""
    playready: str = ""
    playready_information: str = Field(default="", description="LUI_URL: a page where a viewer gets a licence")

    @property
    def by_system(self) -> dict[DrmSystem, str]:
        return {"widevine": self.widevine, "playready": self.playready}


class PackageRequest(Document):
    """What is to be packaged, how, and under which keys."""

    title_id: TitleId
    renditions: RenditionSet
    profile: PackagingProfile
    keys: KeyAssignment
    licence_url: str = Field(description="of Clear Key")
    licences: Licences = Licences()
    signals: tuple[DrmSystemSignal, ...] = Field(default=(), description="ready-made by a key server; ours otherwise")
    accessories: Accessories = Accessories()
    further_keys: KeyAssignment | None = Field(
        default=None, description="of the second set of a profile with both schemes, by the labels of ``keys``"
    )


class SoundKind(NamedTuple):
    """Language, role, layout and codec of a sound: what a player chooses by."""

    language: str
    role: SoundRole
    channels: int | None
    codec: str
    atmos: bool


@dataclass(frozen=True, slots=True)
class Stream(Placed):
    """One rendition's place in a package.

    ``trick``: of its key frames alone, one a segment, for seeking in pictures.
    """

    rendition: Rendition
    trick: bool = False

    @property
    def name(self) -> str:
        """Its own in a package: no rendition has a dot in its name."""
        return f"{self.rendition.name}.trick" if self.trick else self.rendition.name

    @property
    def kind(self) -> Literal["video", "audio"]:
        return self.rendition.kind

    @property
    def folder(self) -> str:
        return f"trick/{self.rendition.name}" if self.trick else f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class PackagePlan:
    """A request found valid: one set of segments, by which scheme, and where below the version's prefix.

    ``streams``: video from small to large, then audio from few channels to many, then tracks of key frames.
    ``keys``: of the labels in use; none where the package is in the clear.
    """

    request: PackageRequest
    streams: tuple[Stream, ...]
    keys: KeyAssignment
    version: str
    scheme: PackageScheme
    folder: str = ""

    @property
    def systems(self) -> tuple[DrmSystem, ...]:
        return self.request.profile.systems_of(self.scheme)

    @property
    def signals(self) -> tuple[DrmSystemSignal, ...]:
        """What a key server gave for the keys of this set."""
        kids = set(self.keys.kids.values())
        return tuple(signal for signal in self.request.signals if signal.kid in kids)

    @property
    def video(self) -> tuple[Stream, ...]:
        return tuple(stream for stream in self.streams if stream.kind == "video" and not stream.trick)

    @property
    def trick(self) -> tuple[Stream, ...]:
        return tuple(stream for stream in self.streams if stream.trick)

    @property
    def audio(self) -> tuple[Stream, ...]:
        return tuple(stream for stream in self.streams if stream.kind == "audio")

    @property
    def prefix(self) -> str:
        return f"{packages_prefix(self.request.title_id)}{self.version}/"

    @property
    def document_key(self) -> str:
        return package_key(self.request.title_id, self.version)

    @property
    def set_key(self) -> str:
        """Where it is written down that this set is whole, while a further one is being made."""
        return f"{self.prefix}{self.scheme}.set.json"

    @property
    def segment_duration(self) -> str:
        """Seconds as a decimal, cut and never rounded up.

        The packager starts a segment at the first key frame at or after a multiple of this. A value above the exact
        one by the smallest amount would miss the grid's key frame and take the next, one GOP later.
        """
        return self._seconds(self.request.renditions.segment_frames)

    @property
    def gop_duration(self) -> str:
        """As ``segment_duration``, of one GOP."""
        return self._seconds(self.request.renditions.gop_frames)

    def _seconds(self, frames: int) -> str:
        exact = Fraction(frames) / self.request.renditions.frame_rate.fraction
        billionths = math.floor(exact * 10**_DIGITS)
        return f"{billionths // 10**_DIGITS}.{billionths % 10**_DIGITS:0{_DIGITS}d}"


def plan_package(request: PackageRequest, packager_version: str) -> PackagePlan:
    """The plan of a request, of its first set; equal requests and tools give equal versions.

    Raises PackageRejected with all reasons.
    """
    reasons = [*_faults_of_set(request.renditions), *_faults_of_keys(request), *_faults_of_texts(request.accessories)]
    if request.profile.scheme != CLEAR and not request.licence_url:
        reasons.append(f"Title {request.title_id} has no licence URL, so no player could ask for its keys.")
    if request.profile.scheme == "cenc" and "fairplay" in request.profile.systems:
        reasons.append("FairPlay opens scheme cbcs only, but scheme cenc was asked.")
    if reasons:
        raise PackageRejected(*reasons)
    labels = sorted({rendition.label for rendition in request.renditions.renditions})
    kids = {} if request.profile.scheme == CLEAR else {label: request.keys.kids[label] for label in labels}
    keys = KeyAssignment(title_id=request.title_id, kids=kids)
    streams = streams_of(request.renditions, trick_play=request.profile.trick_play)
    return PackagePlan(request, streams, keys, _version(request, keys, packager_version), request.profile.schemes[0])


def packages_prefix(title_id: str) -> str:
    """Below this the work store has every package of a title."""
    return f"packages/{title_id}/"


def package_key(title_id: str, version: str) -> str:
    """Where the work store has the document of a package."""
    return f"{packages_prefix(title_id)}{version}.json"


def further_plans(plan: PackagePlan) -> tuple[PackagePlan, ...]:
    """Plans of the sets beside the first: the same streams under keys of their own, in a folder of the scheme."""
    given = plan.request.further_keys
    kids = {label: given.kids[label] for label in plan.keys.kids} if given else {}
    keys = KeyAssignment(title_id=plan.request.title_id, kids=kids)
    return tuple(
        replace(plan, keys=keys, scheme=scheme, folder=f"{scheme}/") for scheme in plan.request.profile.schemes[1:]
    )


def streams_of(renditions: RenditionSet, *, trick_play: bool = False) -> tuple[Stream, ...]:
    """Every rendition's place in a package, in the order of its manifests.

    With ``trick_play`` the smallest picture of each codec and range has a second place, for its key frames: players
    show them for parts of a second, and one track serves every size.
    """
    video = sorted(renditions.video, key=lambda found: ((found.width or 0) * (found.height or 0), found.average_bps))
    # players without a wish take the first
    audio = sorted(renditions.audio, key=lambda found: (found.role != "main", found.atmos, found.channels or 0))
    smallest = {look_of(rendition): rendition for rendition in reversed(video)} if trick_play else {}
    trick = sorted(smallest.values(), key=video.index)
    return (*(Stream(found) for found in (*video, *audio)), *(Stream(found, trick=True) for found in trick))


def look_of(rendition: Rendition) -> tuple[str, str]:
    """Codec and range of a picture: among tracks of one look a player may switch without a break."""
    return rendition.codec.partition(".")[0], rendition.dynamic_range or "SDR"


def _version(request: PackageRequest, keys: KeyAssignment, packager_version: str) -> str:
    renditions = request.renditions
    shaping = [
        (r.kind, r.name, r.sha256, r.label, r.language, r.width, r.height, r.role, r.atmos)
        for r in renditions.renditions
    ]
    grid = (renditions.frames, str(renditions.frame_rate), renditions.segment_frames)
    beside: list[object] = [request.accessories.fingerprint] if request.accessories else []
    asked = (request.licence_url, request.licences, request.signals)
    beside += [request.further_keys] if request.further_keys else []
    digest = digest_of(_RECIPE, packager_version, request.profile, keys, asked, grid, shaping, *beside)
    return f"v{digest[:16]}"


def _faults_of_set(renditions: RenditionSet) -> list[str]:
    faults = []
    if renditions.frames and not renditions.video:
        faults.append("A package of pictures needs at least one video rendition, but none was given.")
    if not renditions.renditions:
        faults.append("A package needs at least one rendition, but none was given.")
    if renditions.segment_frames <= 0 or renditions.segment_frames % renditions.gop_frames:
        faults.append(
            f"A segment must be whole GOPs, but {renditions.segment_frames} frames are not a multiple "
            f"of {renditions.gop_frames}."
        )
    names = [rendition.name for rendition in renditions.renditions]
    faults += [f"Two renditions are called '{name}'." for name in sorted(set(names)) if names.count(name) > 1]
    faults += [
        f"A rendition's name may hold a-z, 0-9 and '-', but one is called '{name}'."
        for name in names
        if not _NAME.fullmatch(name)
    ]
    faults += [fault for rendition in renditions.video for fault in _faults_of_video(rendition, renditions)]
    return faults + _faults_of_audio(renditions)


def _faults_of_video(rendition: Rendition, renditions: RenditionSet) -> list[str]:
    faults = []
    if not rendition.width or not rendition.height:
        faults.append(f"Video rendition '{rendition.name}' has no width and height.")
    if rendition.frames != renditions.frames:
        faults.append(
            f"Video rendition '{rendition.name}' has {rendition.frames} frames; all of them must have "
            f"{renditions.frames}."
        )
    if rendition.frame_rate is not None and rendition.frame_rate.fraction != renditions.frame_rate.fraction:
        faults.append(
            f"Video rendition '{rendition.name}' has {rendition.frame_rate} frames a second; all of them must have "
            f"{renditions.frame_rate}."
        )
    return faults


def _faults_of_audio(renditions: RenditionSet) -> list[str]:
    faults = [
        f"Audio rendition '{found.name}' has no channel count." for found in renditions.audio if not found.channels
    ]
    faults += [
        f"Audio rendition '{found.name}' has language '{found.language}', which is no language tag (BCP 47)."
        for found in renditions.audio
        if not _LANGUAGE.fullmatch(found.language)
    ]
    return faults + [
        f"Two audio renditions are both {found.language}, {found.channels} channels, {found.codec}: a player could not "
        "tell them apart."
        for found in dict.fromkeys(sound_kind(one) for one in renditions.audio)
        if _have_one_rate([one.average_bps for one in renditions.audio if sound_kind(one) == found])
    ]


def sound_kind(rendition: Rendition) -> SoundKind:
    """What renditions of sound have in common between which a player may switch by bit rate."""
    return SoundKind(rendition.language, rendition.role, rendition.channels, rendition.codec, rendition.atmos)


def _have_one_rate(rates: Sequence[int]) -> bool:
    """Whether any two rates are so near that they are no steps of one ladder."""
    return any(after < before * _LEAST_STEP for before, after in pairwise(sorted(rates)))


def _faults_of_texts(accessories: Accessories) -> list[str]:
    names = [track.name for track in accessories.texts]
    titles = [track.title for track in accessories.texts]
    return [
        *(
            f"Two texts are both '{name}': give one another language or kind."
            for name in sorted(set(names))
            if names.count(name) > 1
        ),
        *(
            f"Two texts are both called '{title}': a viewer could not tell them apart."
            for title in sorted(set(titles))
            if titles.count(title) > 1
        ),
        *(
            f"A text's name may hold a-z, 0-9 and '-', but one is called '{name}'."
            for name in names
            if not _NAME.fullmatch(name)
        ),
    ]


def _faults_of_keys(request: PackageRequest) -> list[str]:
    if request.keys.title_id != request.title_id:
        return [f"The keys are of title {request.keys.title_id}, but title {request.title_id} is to be packaged."]
    if request.profile.scheme == CLEAR:
        return []
    labels = sorted({rendition.label for rendition in request.renditions.renditions})
    faults = [
        f"Title {request.title_id} has no key for label {label}." for label in labels if label not in request.keys.kids
    ]
    if request.profile.scheme != BOTH:
        return faults
    further = request.further_keys.kids if request.further_keys else {}
    faults += [
        f"Title {request.title_id} has no key of the second set for label {label}."
        for label in labels
        if label not in further
    ]
    shared = sorted(set(request.keys.kids.values()) & set(further.values()))
    return faults + [f"KID {kid} is of both sets: one key serves one scheme." for kid in shared]
