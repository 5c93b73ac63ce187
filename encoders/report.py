"""Observations and the probe's own facts as findings with severities, each one sentence for content ops. Pure."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from encoders.examination import ExaminedTrack, Observed, Span, examined_sound, without_frozen_black
from profiles.source_checks import SourceChecks, SpanCheck
from telecine.findings import Finding, FindingKind, Severity, SourceReport, TrackLoudness, clock
from telecine.media import AudioTrack, Probe, VideoTrack

__all__ = ["facts_of", "report_of"]

_LARGEST_SPANS = 200
"""Findings of one kind and track that are told: a film of a thousand silences is told by the first two hundred."""


def report_of(
    probe: Probe, seen: Observed, clipped: Mapping[int, list[Span]], pictures: int | None, checks: SourceChecks
) -> SourceReport:
    """All findings in order of time. ``pictures`` were decoded, None where some were left out on purpose.

    ``clipped`` spans are by track index.
    """
    track = probe.video[0] if probe.video else None
    coded = track.packets if track else 0
    undecodable = seen.corrupt + (0 if pictures is None else max(0, coded - pictures))
    findings = [*facts_of(probe, checks)]
    if track:
        findings += _picture_findings(track, seen.tracks[track.index], checks)
        findings += _damage(undecodable, coded, seen, checks)
    for sound in examined_sound(probe):
        findings += _sound_findings(sound, seen.tracks[sound.index], clipped.get(sound.index, []), checks)
    return SourceReport(
        master_sha256=probe.master.sha256,
        findings=tuple(sorted(findings, key=lambda finding: finding.start or Fraction(0))),
        loudness=tuple(_loudness(sound, seen.tracks[sound.index]) for sound in examined_sound(probe)),
        pictures=coded,
        every_picture=pictures is not None,
        undecodable=undecodable,
    )


def facts_of(probe: Probe, checks: SourceChecks) -> Iterator[Finding]:
    """What the probe alone tells: scan, bars, missing pictures, tracks that do not start or end together."""
    if not probe.video:
        return
    track = probe.video[0]
    yield from _scan(track, checks)
    if track.active:
        image = track.active
        yield Finding(
            kind=FindingKind.LETTERBOX,
            severity=checks.letterbox.severity,
            sentence=f"The picture has black bars: image is {image.width}x{image.height} at {image.x},{image.y} "
            f"of {track.width}x{track.height}.",
            track=track.index,
        )
    if track.dropped:
        yield _dropped(track, checks)
    for sound in examined_sound(probe):
        yield from _timing(track, sound, checks)


def _scan(track: VideoTrack, checks: SourceChecks) -> Iterator[Finding]:
    order = {"tff": ", top field first", "bff": ", bottom field first", None: ""}[track.field_order]
    if track.telecined:
        sentence = f"The picture is film in fields (3:2 pulldown{order}): its own pictures are taken out again."
        yield Finding(
            kind=FindingKind.TELECINE, severity=checks.telecine.severity, sentence=sentence, track=track.index
        )
    elif track.interlaced:
        sentence = f"The picture is interlaced{order}: it is deinterlaced."
        yield Finding(
            kind=FindingKind.INTERLACE, severity=checks.interlace.severity, sentence=sentence, track=track.index
        )
    if track.scan_flag:
        shows = "fields" if track.interlaced else "whole frames"
        yield Finding(
            kind=FindingKind.SCAN_FLAGS,
            severity=checks.scan_flags.severity,
            sentence=f"The file says {track.scan_flag} but its pictures show {shows}: the pictures are believed.",
            track=track.index,
        )


def _dropped(track: VideoTrack, checks: SourceChecks) -> Finding:
    first = track.gaps[0]
    places = f"{len(track.gaps)} places, the first" if len(track.gaps) > 1 else "one place,"
    return Finding(
        kind=FindingKind.DROPPED_FRAMES,
        severity=checks.dropped_frames.severity,
        sentence=f"{track.dropped} pictures are missing in {places} at {clock(first.start)}: the ones before are held.",
        track=track.index,
        start=first.start,
        end=first.end,
        value=track.dropped,
        unit="pictures",
    )


def _timing(track: VideoTrack, sound: AudioTrack, checks: SourceChecks) -> Iterator[Finding]:
    late = sound.start - track.start
    beyond = late + sound.duration - track.duration
    begun = ("later", "silence is put before it") if late > 0 else ("earlier", "what is before is cut off")
    ended = ("later", "it is cut there") if beyond > 0 else ("earlier", "silence fills the rest")
    compared = (
        (FindingKind.LATE_START, checks.late_start, late, "starts", begun),
        (FindingKind.DURATION_MISMATCH, checks.duration_mismatch, beyond, "ends", ended),
    )
    for kind, check, apart_s, verb, (when, done) in compared:
        if abs(apart_s) >= check.minimum_s:
            yield Finding(
                kind=kind,
                severity=check.severity,
                sentence=f"Sound track {sound.index} {verb} {_seconds(abs(apart_s))} {when} than the picture: {done}.",
                track=sound.index,
                value=float(apart_s),
                unit="s",
            )


def _picture_findings(track: VideoTrack, seen: ExaminedTrack, checks: SourceChecks) -> Iterator[Finding]:
    end = track.start + track.duration
    for span in _long(seen.spans.get("black", []), end, checks.black):
        yield _span(FindingKind.BLACK, checks.black.severity, "The picture is black", track.index, span)
    for span in _long(without_frozen_black(seen.spans, end), end, checks.freeze):
        yield _span(FindingKind.FREEZE, checks.freeze.severity, "The picture stands still", track.index, span)


def _sound_findings(
    track: AudioTrack, seen: ExaminedTrack, clipped: list[Span], checks: SourceChecks
) -> Iterator[Finding]:
    end, name = track.start + track.duration, f"Sound track {track.index} ({track.language})"
    for span in _long(seen.spans.get("silence", []), end, checks.silence):
        yield _span(FindingKind.SILENCE, checks.silence.severity, f"{name} is silent", track.index, span)
    for span in _long(clipped, end, checks.clipping):
        yield _span(FindingKind.CLIPPING, checks.clipping.severity, f"{name} clips", track.index, span)
    level = seen.integrated_lufs
    if level is not None and not checks.loudness.lowest_lufs <= level <= checks.loudness.highest_lufs:
        sentence = (
            f"{name} has {level:.1f} LUFS; {checks.loudness.lowest_lufs:g} to {checks.loudness.highest_lufs:g} "
            "are expected."
        )
        yield Finding(
            kind=FindingKind.LOUDNESS,
            severity=checks.loudness.severity,
            sentence=sentence,
            track=track.index,
            value=level,
            unit="LUFS",
        )


def _damage(undecodable: int, coded: int, seen: Observed, checks: SourceChecks) -> Iterator[Finding]:
    if not undecodable:
        return
    allowed = checks.decode_errors.allows(undecodable, coded)
    said = f" ({seen.complaints[0]})" if seen.complaints else ""
    yield Finding(
        kind=FindingKind.DECODE_ERRORS,
        severity=Severity.WARNING if allowed else checks.decode_errors.severity,
        sentence=f"{undecodable} of {coded} pictures could not be decoded whole{said}.",
        value=undecodable,
        unit="pictures",
    )


def _long(spans: list[Span], end: Fraction, check: SpanCheck) -> list[tuple[Fraction, Fraction]]:
    closed = [(start, stop if stop is not None else max(start, end)) for start, stop in spans]
    return [(start, stop) for start, stop in closed if stop - start >= check.minimum_s][:_LARGEST_SPANS]


def _span(kind: FindingKind, severity: Severity, what: str, track: int, span: tuple[Fraction, Fraction]) -> Finding:
    start, end = span
    return Finding(
        kind=kind,
        severity=severity,
        sentence=f"{what} from {clock(start)} to {clock(end)} ({_seconds(end - start)}).",
        track=track,
        start=start,
        end=end,
        value=float(end - start),
        unit="s",
    )


def _seconds(length: Fraction) -> str:
    return f"{float(length):.1f} s" if length >= 1 else f"{float(length) * 1000:.0f} ms"


def _loudness(track: AudioTrack, seen: ExaminedTrack) -> TrackLoudness:
    return TrackLoudness(
        track=track.index,
        language=track.language,
        integrated_lufs=seen.integrated_lufs,
        range_lu=seen.range_lu,
        sample_peak_dbfs=seen.peak_dbfs,
    )
