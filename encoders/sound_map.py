"""Sound put together of single tracks and files: by a sidecar, or by what mono tracks call their channels. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from encoders.mixing import LAYOUTS
from encoders.naming import file_name
from telecine.errors import SourceRejected
from telecine.media import AudioTrack, Probe, SoundPart
from telecine.soundmap import CHANNEL_NAMES, ChannelSource, MappedTrack, SideFile

__all__ = ["MAPPED_RATE_HZ", "SideTrack", "map_sound"]

MAPPED_RATE_HZ = 48_000
_LAYOUT_NAMES = {"5.0": "5.0(side)", "5.1": "5.1(side)"}
_BY_COUNT = {1: "mono", 2: "stereo", 5: "5.0", 6: "5.1", 8: "7.1"}
_LABEL = re.compile(r"^1 channels \((\w+)\)$")
_DELIVERY_COUNTS = (6, 8)
_SIDE_OF = {"BL": "SL", "BR": "SR"}


@dataclass(frozen=True, slots=True)
class SideTrack:
    """The sound of one file beside the master."""

    file: SideFile
    index: int
    channels: int
    layout: str
    duration: Fraction


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part and how long its source lasts."""

    part: SoundPart
    name: str
    duration: Fraction


def map_sound(probe: Probe, sides: Mapping[str, SideTrack]) -> tuple[Probe, tuple[str, ...]]:
    """The probe with its sound as mapped, and notes for people. ``sides`` are the sidecar's files by name.

    Without a sidecar, mono tracks become one surround track only when each says which channel it is. Raises
    SourceRejected where a sidecar asks for what is not there.
    """
    sheet = probe.master.sound
    if sheet is None:
        return _labelled(probe)
    mapped = [_mapped(probe, sides, track, position) for position, track in enumerate(sheet.map.tracks)]
    notes = tuple(note for track in mapped for note in _length_notes(probe, track))
    return probe.model_copy(update={"audio": tuple(mapped)}), notes


def _mapped(probe: Probe, sides: Mapping[str, SideTrack], asked: MappedTrack, position: int) -> AudioTrack:
    if asked.track is not None and asked.layout is None and not asked.offset_ms:
        own = _track(probe, asked.track)  # the master's own, only told what it is: it can still be passed through
        return own.model_copy(update={"language": asked.language, "role": asked.role, "title": asked.title})
    placed = _placed(probe, sides, asked)
    lengths = [one.duration for one in placed]
    if max(lengths) - min(lengths) > _frame(probe):
        longest, shortest = (pick(placed, key=lambda one: one.duration) for pick in (max, min))
        raise SourceRejected(
            f"The sidecar of {file_name(probe.master.uri)} puts together sound of different lengths: {longest.name} "
            f"lasts {float(longest.duration):.3f} s, {shortest.name} {float(shortest.duration):.3f} s."
        )
    return _assembled(asked, [one.part for one in placed], min(lengths), (_start(probe), position))


def _assembled(
    asked: MappedTrack, parts: Sequence[SoundPart], duration: Fraction, place: tuple[Fraction, int]
) -> AudioTrack:
    names = {part.channel for part in parts}
    layout = next(layout for layout, channels in LAYOUTS.items() if set(channels) == names)
    start, position = place
    return AudioTrack(
        index=-1 - position,
        codec="mapped",
        channels=len(parts),
        layout=layout,
        sample_rate_hz=MAPPED_RATE_HZ,
        language=asked.language,
        role=asked.role,
        title=asked.title,
        parts=tuple(sorted(parts, key=lambda part: LAYOUTS[layout].index(part.channel))),
        start=start + Fraction(asked.offset_ms, 1000),
        duration=duration,
    )


def _placed(probe: Probe, sides: Mapping[str, SideTrack], asked: MappedTrack) -> list[_Placed]:
    if asked.channels is not None and asked.layout is not None:
        names = CHANNEL_NAMES[asked.layout]
        wanted = [(names[name], source) for name, source in asked.channels.items()]
    else:
        wanted = [
            (name, ChannelSource(track=asked.track, file=asked.file, channel=channel))
            for channel, name in enumerate(_whole_layout(probe, sides, asked))
        ]
    return [_part(probe, sides, name, source, asked.offset_ms) for name, source in wanted]


def _whole_layout(probe: Probe, sides: Mapping[str, SideTrack], asked: MappedTrack) -> tuple[str, ...]:
    """Channels of a whole track or file, in its own order: as the sidecar says, or as it says itself, or by count."""
    source = sides[asked.file] if asked.file is not None else _track(probe, asked.track or 0)
    name = asked.file or f"track {asked.track}"
    if asked.layout is not None:
        channels = tuple(CHANNEL_NAMES[asked.layout].values())
    else:
        known = LAYOUTS.get(source.layout) or LAYOUTS.get(_BY_COUNT.get(source.channels, ""), ())
        channels = tuple(known)
    if len(channels) != source.channels:
        said = f"layout {asked.layout} has {len(channels)}" if asked.layout else "its layout is not known"
        raise SourceRejected(
            f"The sidecar of {file_name(probe.master.uri)} takes {name} whole, which has {source.channels} channels, "
            f"but {said}."
        )
    return channels


def _part(probe: Probe, sides: Mapping[str, SideTrack], channel: str, source: ChannelSource, offset_ms: int) -> _Placed:
    found = sides[source.file] if source.file is not None else _track(probe, source.track or 0)
    name = source.file or f"track {source.track}"
    if source.channel >= found.channels:
        raise SourceRejected(
            f"The sidecar of {file_name(probe.master.uri)} asks for channel {source.channel} of {name}, which has "
            f"{found.channels}, counted from 0."
        )
    part = SoundPart(
        channel=channel,
        source=found.file if isinstance(found, SideTrack) else None,
        index=found.index,
        source_channel=source.channel,
        offset=Fraction(offset_ms, 1000),
    )
    return _Placed(part, name, found.duration)


def _track(probe: Probe, number: int) -> AudioTrack:
    if number > len(probe.audio):
        raise SourceRejected(
            f"The sidecar of {file_name(probe.master.uri)} asks for sound track {number}, but the master has "
            f"{len(probe.audio)}."
        )
    return probe.audio[number - 1]


def _labelled(probe: Probe) -> tuple[Probe, tuple[str, ...]]:
    """Mono tracks as one surround track where their labels make up a layout; a note where they would need a sidecar."""
    if len(probe.audio) not in _DELIVERY_COUNTS or not all(_is_mono_pcm(track) for track in probe.audio):
        return probe, ()
    labels = [_label(track) for track in probe.audio]
    sided = {_SIDE_OF.get(label, label) for label in labels} if len(labels) == _DELIVERY_COUNTS[0] else set(labels)
    asked = next((name for name, named in CHANNEL_NAMES.items() if set(named.values()) == sided), None)
    if asked is None or len(sided) != len(labels):
        return probe, (_unlabelled(probe),)
    parts = [
        SoundPart(channel=_SIDE_OF.get(label, label) if asked == "5.1" else label, index=track.index)
        for label, track in zip(labels, probe.audio, strict=True)
    ]
    first = probe.audio[0]
    told = MappedTrack.model_construct(language=first.language, role=first.role, title=first.title, offset_ms=0)
    shortest = min(track.duration for track in probe.audio)
    whole = _assembled(told, parts, shortest, (first.start, 0))
    return probe.model_copy(update={"audio": (whole,)}), ()


def _label(track: AudioTrack) -> str:
    """The channel a mono track says it is; a labelled centre is plain mono to FFmpeg."""
    match = _LABEL.match(track.layout)
    return match[1] if match else "FC"


def _unlabelled(probe: Probe) -> str:
    sidecar = f"{file_name(probe.master.uri).rpartition('.')[0]}.audio.yaml"
    return (
        f"The master has {len(probe.audio)} mono sound tracks that do not say which channel each is: only the first is "
        f"used. Write {sidecar} beside it, such as: tracks: [{{language: en, layout: 5.1, channels: {{L: {{track: 1}}, "
        "R: {track: 2}, C: {track: 3}, LFE: {track: 4}, Ls: {track: 5}, Rs: {track: 6}}}]."
    )


def _is_mono_pcm(track: AudioTrack) -> bool:
    return track.channels == 1 and track.codec.startswith("pcm")


def _length_notes(probe: Probe, track: AudioTrack) -> list[str]:
    if not probe.video or abs(track.duration - probe.video[0].duration) <= _frame(probe):
        return []
    sound, picture = float(track.duration), float(probe.video[0].duration)
    return [f"The sound mapped as {track.language} {track.role} lasts {sound:.3f} s, the picture {picture:.3f} s."]


def _frame(probe: Probe) -> Fraction:
    return 1 / probe.video[0].frame_rate.fraction if probe.video else Fraction(1, 25)


def _start(probe: Probe) -> Fraction:
    """Where the programme of the master begins: what time 0 of a file is laid on."""
    starts = [track.start for track in probe.video[:1] or probe.audio[:1]]
    return starts[0] if starts else Fraction(0)
