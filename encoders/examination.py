"""One pass over a whole master, and what its log says, as findings. Pure.

FFmpeg's detectors write lines into one report: ``blackdetect``, ``freezedetect``, ``silencedetect``, ``ebur128`` (EBU
R 128) and, a second at a time into a file of their own, ``astats``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from profiles.source_checks import SourceChecks
from telecine.media import AudioTrack, Probe, VideoTrack

__all__ = [
    "ExaminedTrack",
    "Observed",
    "Span",
    "clipped_spans",
    "examine_command",
    "examined_sound",
    "peaks_file",
    "read_report",
    "without_frozen_black",
]

_WIDTH = 320
_BLACK_LEVEL = 0.05
_BLACK_S = 0.05
_FULL_SCALE_DB = -0.01
_GATE = -70
"""Where nothing passes the absolute gate of BS.1770 there is no loudness, and FFmpeg says -70."""
_TOLD = 20
Span = tuple[Fraction, Fraction | None]


@dataclass(slots=True)
class ExaminedTrack:
    """What the detectors said of one track: spans in seconds, the end None where it lasts to the end of the track."""

    spans: dict[str, list[Span]] = field(default_factory=dict)
    integrated_lufs: float | None = None
    range_lu: float | None = None
    peak_dbfs: float | None = None


@dataclass(slots=True)
class Observed:
    """All tracks by their index in the container, and the decoders' complaints of the picture."""

    tracks: dict[int, ExaminedTrack]
    corrupt: int = 0
    complaints: list[str] = field(default_factory=list)


def examine_command(probe: Probe, source: Path, checks: SourceChecks, *, every_picture: bool) -> tuple[str, ...]:
    """Decode once and let the detectors look at it; ``-progress`` lines come on stdout.

    Without ``every_picture`` those that no other refers to are left out: a sixth less work, times to a few pictures.
    """
    skipped = () if every_picture else ("-skip_frame", "noref")
    graphs, outputs = [], list[str]()
    if probe.video:
        graphs.append(_picture_graph(probe.video[0], checks))
        outputs += ["-map", "[v]", "-fps_mode", "passthrough", "-f", "null", "-"]
    for track in examined_sound(probe):
        graphs.append(_sound_graph(track, checks))
        outputs += ["-map", f"[a{track.index}]", "-f", "null", "-"]
    return (
        *("ffmpeg", "-v", "level+fatal", "-nostdin", "-nostats", "-protocol_whitelist", "file,pipe", "-copyts"),
        # a picture of 320 columns is judged: deblocking it first would cost a sixth of the decode
        *(
            "-threads",
            "1",
            "-filter_complex_threads",
            "1",
            "-skip_loop_filter",
            "all",
            *skipped,
            "-i",
            f"file:{source}",
        ),
        *("-filter_complex", ";".join(graphs), *outputs, "-progress", "pipe:1", "-stats_period", "1"),
    )


def examined_sound(probe: Probe) -> tuple[AudioTrack, ...]:
    """The master's own sound tracks that hold anything; one put together by a sidecar is none of them."""
    return tuple(track for track in probe.audio if track.duration > 0 and track.channels > 0 and not track.parts)


def peaks_file(track: AudioTrack) -> str:
    """Name of the file the peaks of a track's seconds go to, in the working folder."""
    return f"peaks{track.index}.log"


def _picture_graph(track: VideoTrack, checks: SourceChecks) -> str:
    freeze = f"freezedetect@v{track.index}=n={checks.freeze.level_db}dB:d={max(checks.freeze.minimum_s, 0.1)}"
    black = f"blackdetect@v{track.index}=d={_BLACK_S}:pix_th={_BLACK_LEVEL}"
    return f"[0:{track.index}]scale={_WIDTH}:-2:flags=neighbor,format=gray,{freeze},{black}[v]"


def _sound_graph(track: AudioTrack, checks: SourceChecks) -> str:
    silence = f"silencedetect@a{track.index}=n={checks.silence.level_db}dB:d={max(checks.silence.minimum_s, 0.1)}"
    seconds = f"asetnsamples=n={track.sample_rate_hz}:p=0"
    measures = "measure_perchannel=none:measure_overall=Peak_level+Flat_factor"
    peaks = f"astats=metadata=1:reset=1:{measures},ametadata=mode=print:file={peaks_file(track)}"
    loudness = f"ebur128@a{track.index}=framelog=quiet:peak=sample"
    return f"[0:{track.index}]{silence},{seconds},{peaks},{loudness}[a{track.index}]"


_SAID = re.compile(r"^\[(?P<filter>\w+)@(?P<kind>[av])(?P<track>\d+) @ 0x[0-9a-f]+\] \[info\] (?P<text>.*)$")
_STARTS = {
    "freeze": re.compile(r"freeze_start: (\S+)"),
    "silence": re.compile(r"silence_start: (\S+)"),
}
_ENDS = {
    "freeze": re.compile(r"freeze_end: (\S+)"),
    "silence": re.compile(r"silence_end: (\S+)"),
}
_BLACK = re.compile(r"black_start:(\S+) black_end:(\S+)")
_SUMMARY = {
    "integrated_lufs": re.compile(r"^\s+I:\s+(\S+) LUFS"),
    "range_lu": re.compile(r"^\s+LRA:\s+(\S+) LU$"),
    "peak_dbfs": re.compile(r"^\s+Peak:\s+(\S+) dBFS"),
}
_CORRUPT = "corrupt decoded frame"
_ERROR = re.compile(r"\[(error|fatal)\] (.*)$")


def read_report(lines: Iterable[str], tracks: Sequence[int]) -> Observed:
    """Every detector's verdicts out of one report."""
    seen = Observed({index: ExaminedTrack() for index in tracks})
    summary_of: ExaminedTrack | None = None
    for line in lines:
        said = _SAID.match(line)
        if said and int(said["track"]) in seen.tracks:
            track = seen.tracks[int(said["track"])]
            summary_of = track if said["filter"] == "ebur128" else summary_of
            _take_span(track, said["text"])
        elif line.startswith(" ") and summary_of is not None:
            _take_summary(summary_of, line)
        elif _CORRUPT in line:
            seen.corrupt += 1
        elif len(seen.complaints) < _TOLD and (error := _ERROR.search(line)):
            seen.complaints.append(error[2])
    return seen


def _take_span(track: ExaminedTrack, text: str) -> None:
    if found := _BLACK.search(text):
        track.spans.setdefault("black", []).append((Fraction(found[1]), Fraction(found[2])))
    for kind, pattern in _STARTS.items():
        if found := pattern.search(text):
            track.spans.setdefault(kind, []).append((Fraction(found[1]), None))
        elif (found := _ENDS[kind].search(text)) and track.spans.get(kind):
            start, _ = track.spans[kind].pop()
            track.spans[kind].append((start, Fraction(found[1])))


def _take_summary(track: ExaminedTrack, line: str) -> None:
    for name, pattern in _SUMMARY.items():
        found = pattern.match(line)
        if (
            found
            and found[1] not in {"-inf", "inf", "nan"}
            and not (name == "integrated_lufs" and float(found[1]) <= _GATE)
        ):
            setattr(track, name, float(found[1]))


def clipped_spans(printed: Iterable[str], minimum_s: float) -> list[Span]:
    """Runs of seconds that hold flat tops at full scale, from the peaks file of one track."""
    spans, at, peak = list[tuple[Fraction, Fraction]](), Fraction(0), False
    for line in printed:
        if line.startswith("frame:"):
            at = Fraction(line.rpartition("pts_time:")[2].strip())
        name, _, value = line.strip().rpartition("=")
        if name.endswith("Peak_level"):
            peak = float(value) >= _FULL_SCALE_DB
        elif name.endswith("Flat_factor") and peak and float(value) > 0:
            if spans and spans[-1][1] == at:
                spans[-1] = (spans[-1][0], at + 1)
            else:
                spans.append((at, at + 1))
    return [span for span in spans if span[1] - span[0] >= minimum_s]


def without_frozen_black(spans: Mapping[str, Sequence[Span]], end: Fraction) -> list[Span]:
    """Freezes, less those that are black: black never moves."""
    black = [(start, stop or end) for start, stop in spans.get("black", ())]
    frame = Fraction(1, 10)
    return [
        (start, stop)
        for start, stop in spans.get("freeze", ())
        if not any(b_start - frame <= start and (stop or end) <= b_end + frame for b_start, b_end in black)
    ]
