"""Which sound of a master becomes which rendition: languages, roles, programme clock. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from encoders.documents import AudioJob, AudioOutput
from profiles.models import AudioRung, Ladder
from profiles.select import can_pass, is_made_of
from telecine.document import digest_of
from telecine.media import AudioTrack, Probe

__all__ = ["Programme", "audio_jobs", "sound_programme"]


@dataclass(frozen=True, slots=True)
class Programme:
    """The extent of a title on the container's clock, seconds."""

    start: Fraction
    duration: Fraction


@dataclass(frozen=True, slots=True)
class _Voice:
    """The tracks of one language and role, and what tells their renditions apart: nothing for the first voice."""

    suffix: str
    tracks: tuple[AudioTrack, ...]


def sound_programme(probe: Probe) -> Programme:
    """The programme of a master that is heard and not seen: its first readable sound track, from start to end."""
    track = next(iter(_readable(probe.audio)))
    return Programme(track.start, track.duration)


def audio_jobs(probe: Probe, ladder: Ladder, programme: Programme, toolchain: str) -> tuple[AudioJob, ...]:
    """One job for each track that anything is made of, in the order of languages and roles.

    Of each language and role a rung takes the first track that has what it needs, so a stereo and a 5.1 track of one
    language complete each other, and an Atmos track beside them gives the Atmos rendition.
    """
    made: dict[AudioTrack, list[AudioRung]] = {}
    for voice in _voices(probe.audio):
        for rung in ladder.audio:
            track = next((track for track in voice.tracks if is_made_of(rung, track)), None)
            if track is not None:
                made.setdefault(track, []).append(_resolved(rung, track, voice.suffix))
    return tuple(_audio_job(probe, track, rungs, programme, toolchain) for track, rungs in made.items())


def _resolved(rung: AudioRung, track: AudioTrack, suffix: str) -> AudioRung:
    """The rung with what its track decides: whether samples are passed through, and then the track's own form."""
    named = {"name": f"{rung.name}{suffix}"}
    if not can_pass(rung, track):
        return rung.model_copy(update={**named, "passthrough": "never"})
    rate = track.bit_rate_bps or rung.bitrate_bps
    own = {"passthrough": "only", "channels": track.channels, "bitrate_bps": rate, "atmos": track.atmos}
    return rung.model_copy(update={**named, **own})


def _readable(tracks: Iterable[AudioTrack]) -> list[AudioTrack]:
    """Tracks that hold sound; where none does, the first, so that its fault is told and not passed over."""
    listed = list(tracks)
    found = [track for track in listed if track.duration > 0 and track.channels > 0 and track.codec != "unknown"]
    return found or listed[:1]


def _voices(tracks: Sequence[AudioTrack]) -> list[_Voice]:
    """Languages and roles in the master's order, but a programme before commentaries."""
    found = _readable(tracks)
    keys = dict.fromkeys((track.language, track.role) for track in sorted(found, key=lambda t: t.role != "main"))
    voices: list[_Voice] = []
    for language, role in keys:
        own = tuple(track for track in found if (track.language, track.role) == (language, role))
        voices.append(_Voice(_suffix(language, role) if voices else "", own))
    return voices


def _suffix(language: str, role: str) -> str:
    spoken = re.sub("[^a-z0-9]", "", language.lower()) or "und"
    return f"-{spoken}" if role == "main" else f"-{spoken}-{role}"


def _audio_job(
    probe: Probe, track: AudioTrack, rungs: Sequence[AudioRung], programme: Programme, toolchain: str
) -> AudioJob:
    outputs = []
    for rung in rungs:
        shaping = (_shape_of_track(track), programme.start, programme.duration, _shape(rung), toolchain)
        digest = digest_of("audio", probe.master.sha256, shaping)
        outputs.append(AudioOutput(rung=rung, digest=digest, key=f"audio/{digest}.mp4"))
    return AudioJob(
        digest=digest_of("audio job", track.language, track.role, [(out.digest, out.rung.name) for out in outputs]),
        master=probe.master,
        track=track,
        start=programme.start,
        duration=programme.duration,
        outputs=tuple(outputs),
    )


def _shape(rung: AudioRung) -> dict[str, object]:
    """What of a rung shapes bytes: not its name, not when it is chosen and not the label its key goes by."""
    return rung.model_dump(mode="json", exclude={"name", "label", "min_source_channels"})


def _shape_of_track(track: AudioTrack) -> dict[str, object]:
    """What of a track shapes bytes: not how it is called, what it is for or where its files lie."""
    shape = track.model_dump(mode="json", exclude={"language", "role", "title", "bit_rate_bps", "parts"})
    parts = [
        (part.channel, part.source and part.source.sha256, part.index, part.source_channel, part.offset)
        for part in track.parts
    ]
    return {**shape, "parts": parts}
