"""Proves one rendition of a package: cut on the grid, opened by its key, decoded whole, equal to what went in."""

import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from packagers.boxes import InitFacts, SegmentFacts, read_init, read_segment
from packagers.decode import (
    Sample,
    Totals,
    complaint_in,
    count_samples,
    loudness_in,
    proof_command,
    read_samples,
    samples_command,
)
from packagers.plan import Stream
from packagers.pssh import COMMON_SYSTEM, kids_of
from packagers.readback import Listing
from packagers.tooling import run_tool
from telecine.document import Document, ExactSeconds
from telecine.errors import PackageRejected, ToolFailed
from telecine.protection import ContentKey, Kid
from telecine.rendition import Loudness, RenditionSet

__all__ = ["Evidence", "RenditionProof", "prove"]

_PRIMING_SAMPLES = 2112
"""Sound samples that a decoder may keep back at the start: one AAC frame and its look-ahead, rounded up."""

_Facts = TypeVar("_Facts")


class RenditionProof(Document):
    """One rendition, decrypted and decoded from the package.

    ``frames`` are decoded pictures (video) or coded frames (audio); ``md5`` is over the hashes of its coded samples,
    which equal those of the rendition before encryption. No ``kid``: it is in the clear. The name of one in a further
    set begins with the set's folder.
    """

    name: str
    kid: Kid | None
    segments: int
    frames: int
    duration: ExactSeconds
    md5: str
    loudness: Loudness | None = Field(default=None, description="EBU R128 over all of a sound as decrypted")


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that one rendition is judged by. ``media`` holds the package, ``clear`` is the rendition that went in.

    ``key``: None where the package is in the clear. ``folder``: of the set it is in, below the version's prefix.
    """

    stream: Stream
    listing: Listing
    renditions: RenditionSet
    scheme: str
    package_kids: frozenset[Kid]
    key: ContentKey | None
    media: Path
    clear: Path
    folder: str = ""

    @property
    def name(self) -> str:
        """Its own among all sets of a version."""
        return f"{self.folder}{self.stream.name}"

    @property
    def kid(self) -> Kid | None:
        return self.key.kid if self.key else None

    @property
    def step(self) -> int:
        """Of the rendition's pictures, every how many-th is in the track: the first of each GOP, or each."""
        return self.renditions.gop_frames if self.stream.trick else 1

    @property
    def pictures(self) -> int:
        return -(-self.renditions.frames // self.step)


def prove(evidence: Evidence, folder: Path) -> RenditionProof:
    """Raises PackageRejected with every reason found. ``folder`` is scratch space of this rendition alone."""
    init = _read(evidence, evidence.listing.init, read_init)
    segments = [_read(evidence, path, read_segment) for path in evidence.listing.segments]
    reasons = [*_faults_of_init(evidence, init), *_faults_of_grid(evidence, init, segments)]
    if reasons:
        raise PackageRejected(*reasons)
    joined = folder / "joined.mp4"
    with joined.open("wb") as target:
        for path in (evidence.listing.init, *evidence.listing.segments):
            with (evidence.media / path).open("rb") as source:
                shutil.copyfileobj(source, target)
    return _opened(evidence, joined, folder)


def _read(evidence: Evidence, path: str, reader: Callable[[bytes], _Facts]) -> _Facts:
    try:
        return reader((evidence.media / path).read_bytes())
    except PackageRejected as rejected:
        raise PackageRejected(*(f"{path}: {reason}" for reason in rejected.reasons)) from None


def _faults_of_init(evidence: Evidence, init: InitFacts) -> Iterator[str]:
    path, kid = evidence.listing.init, evidence.kid
    if init.scheme != evidence.scheme:
        yield f"{path} should be protected by scheme {evidence.scheme}, but says {init.scheme}."
    if kid is None:
        yield from _faults_of_clear(evidence, init)
        return
    if init.kid != kid or evidence.listing.kids != {kid}:
        yield (
            f"{path} should be protected by KID {kid} (label {evidence.stream.rendition.label}), but says {init.kid}; "
            f"its manifest says {', '.join(sorted(evidence.listing.kids))}."
        )
    listed = [kid for box in init.pssh if box.system == COMMON_SYSTEM for kid in box.kids]
    if listed != sorted(evidence.package_kids):
        yield f"{path} should list KIDs {sorted(evidence.package_kids)} in a common pssh, but lists {listed}."
    for box in init.pssh:
        foreign = set(kids_of(box)) - evidence.package_kids
        if foreign:
            yield f"{path} has a pssh of system {box.system} for KIDs {sorted(foreign)}, which are not the package's."


def _faults_of_clear(evidence: Evidence, init: InitFacts) -> Iterator[str]:
    if init.pssh or evidence.listing.kids:
        said = sorted({*evidence.listing.kids, *(kid for box in init.pssh for kid in kids_of(box))})
        yield f"{evidence.listing.init} should be in the clear, but its boxes or manifests name KIDs {said}."


def _faults_of_grid(evidence: Evidence, init: InitFacts, segments: Sequence[SegmentFacts]) -> Iterator[str]:
    """Every segment begins where the manifest says; video exactly on the grid, with a key frame, without a gap."""
    starts = itertools.accumulate(evidence.listing.durations, initial=Fraction(0))
    for path, found, start in zip(evidence.listing.segments, segments, starts, strict=False):
        presented = Fraction(max(0, found.start - init.edit_start), init.timescale)  # priming comes before 0
        if presented != start:
            yield f"{path} should start at {start} s, but starts at {presented} s."
        if not found.starts_with_sync:
            yield f"{path} does not start with a key frame."
    if evidence.stream.kind == "video":
        yield from _faults_of_pictures(evidence, segments)


def _faults_of_pictures(evidence: Evidence, segments: Sequence[SegmentFacts]) -> Iterator[str]:
    renditions = evidence.renditions
    cut = evidence.step if evidence.stream.trick else renditions.segment_frames
    whole, rest = divmod(renditions.frames, cut)
    spans = [cut] * whole + ([rest] if rest else [])
    expected = [-(-span // evidence.step) for span in spans]
    found = [segment.samples for segment in segments]
    if found != expected:
        yield (
            f"'{evidence.name}' should be cut into {len(expected)} segments of {cut // evidence.step} "
            f"frames, {evidence.pictures} in all, but has {len(found)} with {sum(found)}."
        )
    times = [Fraction(frames) / renditions.frame_rate.fraction for frames in spans]
    if not found or list(evidence.listing.durations) != times:
        yield f"The segment times of '{evidence.name}' in its manifest are not those of its frames."


def _opened(evidence: Evidence, joined: Path, folder: Path) -> RenditionProof:
    """Decrypt and decode the joined track, and compare its samples with those that went in."""
    name, video = evidence.name, evidence.stream.kind == "video"
    coded, decoded, expected = folder / "coded.txt", folder / "decoded.txt", folder / "expected.txt"
    try:
        secrets = (evidence.key,) if evidence.key else ()
        done = run_tool(proof_command(joined, evidence.key, coded, decoded, video=video), keys=secrets)
    except ToolFailed as failure:
        opened = f"with its key {evidence.kid}" if evidence.kid else "in the clear"
        message = f"'{name}' does not decode {opened}: {complaint_in(failure.stderr_tail)}"
        raise PackageRejected(message) from None
    run_tool(samples_command(evidence.clear, expected))
    differing = _first_difference(read_samples(coded), itertools.islice(read_samples(expected), 0, None, evidence.step))
    if differing is not None:
        message = f"'{name}' is not what went in: coded sample {differing} differs after decryption."
        raise PackageRejected(message)
    totals = count_samples(coded)
    _require_complete(evidence, totals, count_samples(decoded))
    return RenditionProof(
        name=name,
        kid=evidence.kid,
        segments=len(evidence.listing.segments),
        frames=totals.count,
        duration=totals.duration,
        md5=totals.md5,
        loudness=None if video else loudness_in(done.stderr),
    )


def _require_complete(evidence: Evidence, coded: Totals, decoded: Totals) -> None:
    if evidence.stream.kind == "video":
        wanted, found = evidence.pictures, {coded.count, decoded.count}
        complete = found == {wanted}
    else:
        wanted, found = coded.ticks, {decoded.ticks}
        complete = 0 < coded.ticks - _PRIMING_SAMPLES <= decoded.ticks
    if not complete:
        unit = "frames" if evidence.stream.kind == "video" else "sound samples"
        message = f"'{evidence.name}' should decode to {wanted} {unit}, but {min(found)} came out."
        raise PackageRejected(message)


def _first_difference(found: Iterator[Sample], expected: Iterator[Sample]) -> int | None:
    for position, (one, other) in enumerate(itertools.zip_longest(found, expected)):
        if one != other:
            return position
    return None
