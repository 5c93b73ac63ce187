"""What goes along with a title: its texts and chapters found, read, and put on the programme's clock."""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from urllib.parse import unquote, urlsplit

from encoders.documents import EncodePlan
from encoders.side_tracks import TEXT_CODECS, extract_text, read_chapters, text_kind
from encoders.source import master_path, register_master
from packagers.text import NormalisedText, normalise_text, text_name
from packagers.text_formats import read_text
from pipeline.workplace import Workplace
from telecine.document import Sha256, digest_of
from telecine.errors import SourceRejected
from telecine.languages import canonical_language
from telecine.log import get_logger
from telecine.media import Master, SubtitleTrack
from telecine.text import Accessories, Chapter, TextSource, TextTrack
from telecine.title import SubmitRequest

__all__ = ["accompany", "check_texts", "identity"]

log = get_logger(__name__)

_LARGEST = 16 * 1024 * 1024
"""Bytes of a file of text; a film's TTML has less than one million."""


def identity(place: Workplace, request: SubmitRequest, master: Master) -> Sha256:
    """What a title is made of: the master and, where the request names any, its texts and chapters."""
    if not request.texts and not request.chapters:
        return master.identity
    texts = [
        (source.language, source.kind, source.name, str(source.start), _registered(place, source).sha256)
        for source in request.texts
    ]
    return digest_of("master and accessories", master.identity, texts, request.chapters)


def check_texts(place: Workplace, request: SubmitRequest) -> None:
    """Raises SourceRejected with every mistake of every text, before anything is encoded for them."""
    reasons: list[str] = []
    for source in request.texts:
        try:
            read_text(_content(place, source), _name(source))
        except SourceRejected as rejected:
            reasons += rejected.reasons
    if reasons:
        raise SourceRejected(*reasons)


def accompany(place: Workplace, request: SubmitRequest, plan: EncodePlan) -> Accessories:
    """Texts and chapters of the request and, what it does not name, those inside the master.

    Sidecars count from the programme's first picture, the master's own tracks on its container's clock. Raises
    SourceRejected with every mistake of a file the request names; a track of the master that is no good is logged.
    """
    start, duration = _programme(plan)
    reasons: list[str] = []
    found: list[tuple[NormalisedText, str]] = []
    for source in request.texts:
        try:
            found.append((normalise_text(_content(place, source), _name(source), source, duration), _name(source)))
        except SourceRejected as rejected:
            reasons += rejected.reasons
    chapters, faults = _chapters(place, request, plan)
    if reasons or faults:
        raise SourceRejected(*reasons, *faults)
    taken = {text.name for text, _ in found}
    found += _inside(place, plan, start, duration, taken)
    texts = tuple(_kept(place, text, source) for text, source in found)
    return Accessories(texts=texts, chapters=chapters, duration=duration if texts or chapters else None)


def _programme(plan: EncodePlan) -> tuple[Fraction, Fraction]:
    """Start on the container's clock, and duration, of what is published."""
    rate = plan.frame_rate.fraction
    if plan.total_frames:
        return plan.first_frame / rate, plan.total_frames / rate
    return plan.first_frame / rate, max(track.duration for track in plan.probe.audio)


def _chapters(place: Workplace, request: SubmitRequest, plan: EncodePlan) -> tuple[tuple[Chapter, ...], list[str]]:
    start, duration = _programme(plan)
    if not request.chapters:
        return read_chapters(master_path(plan.master, place.work_dir, place.open_bucket), start, duration), []
    faults = [
        f"Chapter '{chapter.title}' begins at {float(chapter.start):g} s, but the programme ends at "
        f"{float(duration):g} s."
        for chapter in request.chapters
        if chapter.start >= duration
    ]
    ordered = sorted({chapter.start: chapter for chapter in request.chapters}.values(), key=lambda one: one.start)
    if len(ordered) < len(request.chapters):
        faults.append("Two chapters begin at the same time: each must begin at its own.")
    return tuple(ordered), faults


def _inside(
    place: Workplace, plan: EncodePlan, start: Fraction, duration: Fraction, taken: set[str]
) -> Iterator[tuple[NormalisedText, str]]:
    """The master's own tracks of text, of each language and kind the first, where the request names none."""
    for track in plan.probe.subtitles:
        if track.codec not in TEXT_CODECS:
            continue
        name = f"track {track.index} of the master"
        try:
            text = _embedded(place, plan, track, taken, (start, duration))
        except SourceRejected as rejected:
            log.warning("text.skipped", track=track.index, reason=str(rejected))
            continue
        if text is not None:
            taken.add(text.name)
            yield text, name


def _embedded(
    place: Workplace, plan: EncodePlan, track: SubtitleTrack, taken: set[str], span: tuple[Fraction, Fraction]
) -> NormalisedText | None:
    path = master_path(plan.master, place.work_dir, place.open_bucket)
    try:
        language = canonical_language(track.language)
    except ValueError:
        language = "und"
    kind = text_kind(path, track.index)
    if text_name(language, kind) in taken:
        return None
    source = TextSource(uri=plan.master.uri, language=language, kind=kind, start=span[0])
    return normalise_text(extract_text(path, track.index), f"Track {track.index} of the master", source, span[1])


def _kept(place: Workplace, text: NormalisedText, source: str) -> TextTrack:
    sha256 = hashlib.sha256(text.content).hexdigest()
    key = f"texts/{sha256}.vtt"
    place.work.put_bytes(key, text.content, content_type="text/vtt")
    for note in text.notes:
        log.warning("text.repaired", text=text.name, note=note)
    return TextTrack(
        name=text.name,
        kind=text.kind,
        language=text.language,
        title=text.title,
        key=key,
        sha256=sha256,
        cues=text.cues,
        source=source,
        notes=text.notes,
    )


def _registered(place: Workplace, source: TextSource) -> Master:
    """The file, fixed by its bytes. Raises SourceRejected when there is none, or one too large to be text."""
    try:
        fixed = register_master(source.uri, place.work_dir, place.open_bucket)
    except SourceRejected as rejected:
        raise SourceRejected(*(reason.replace("The master ", "The text ", 1) for reason in rejected.reasons)) from None
    if fixed.size_bytes > _LARGEST:
        message = f"{_name(source)}: expected a text of at most {_LARGEST >> 20} MiB, found {fixed.size_bytes} bytes."
        raise SourceRejected(message)
    return fixed


def _content(place: Workplace, source: TextSource) -> bytes:
    return master_path(_registered(place, source), place.work_dir, place.open_bucket).read_bytes()


def _name(source: TextSource) -> str:
    return unquote(urlsplit(source.uri).path).rpartition("/")[2] or source.uri
