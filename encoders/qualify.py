"""Whether a master may become a title. Pure; every refusal is a sentence content ops can act on."""

from fractions import Fraction

from encoders.naming import file_name
from telecine.errors import SourceRejected
from telecine.media import Probe, VideoTrack

__all__ = ["qualify"]

_LONGEST_S = 24 * 3600
_MISSING_S = Fraction(1, 2)
"""Containers round durations and count the sound's last packet; half a second more than what is there is a loss."""

_NO_BASE_LAYER = {"dv5", "dv10.0"}
"""Dolby Vision in its own colour space (IPT): read as anything else, its picture is green and purple."""

_PLAYLISTS = ("hls", "dash", "concat", "imf", "webvtt")
_STILLS = ("_pipe", "image2", "tty")


def qualify(probe: Probe, *, picture: bool = True, damage_allowed: bool = False) -> Probe:
    """The same probe when the master is sound. Raises SourceRejected with every reason found, the gravest first.

    ``picture``: whether one is needed; without, the master is judged by its sound alone. With ``damage_allowed`` errors
    between two ends that decode are left to the examination, which counts pictures.
    """
    judged = _less_damage(probe) if damage_allowed and _both_ends_decode(probe) else probe
    reasons = _reasons(judged, f"The master {file_name(probe.master.uri)}", picture=picture)
    if reasons:
        raise SourceRejected(*reasons)
    return probe


def _both_ends_decode(probe: Probe) -> bool:
    return probe.first_frames_decoded > 0 and probe.last_frames_decoded > 0


def _less_damage(probe: Probe) -> Probe:
    return probe.model_copy(update={"decode_errors": tuple(line for line in probe.decode_errors if _is_loss(line))})


def _is_loss(line: str) -> bool:
    return "ends early" in line or "ended prematurely" in line


def _reasons(probe: Probe, master: str, *, picture: bool) -> tuple[str, ...]:
    """One reason where it explains all others: an encrypted file also fails to decode, and so on."""
    if probe.container.split(",")[0] in _PLAYLISTS:
        return (f"{master} is a playlist, not a media file: give the media file itself.",)
    if probe.container.endswith(_STILLS):
        return (f"{master} is a text or still picture ({probe.container}), not a film: check what was exported.",)
    if probe.encrypted:
        return (f"{master} is encrypted (DRM or Common Encryption): deliver it in the clear.",)
    if not picture:
        return _sound_reasons(probe, master)
    return _video_reasons(probe, master)


def _video_reasons(probe: Probe, master: str) -> tuple[str, ...]:
    if not probe.video:
        return (f"{master} has no video track, only {_others(probe)}: deliver a file with picture.",)
    track = probe.video[0]
    if track.codec.startswith("unknown"):
        code = track.codec.removeprefix("unknown").strip() or "no name"
        return (f"{master} has video in a codec that is not known here {code}: export it as ProRes, H.264 or HEVC.",)
    return _picture_reasons(probe, track, master)


def _sound_reasons(probe: Probe, master: str) -> tuple[str, ...]:
    checks = (
        (not probe.audio, "has no sound track: deliver a file with sound."),
        (
            bool(probe.audio) and all(track.duration <= 0 or track.channels <= 0 for track in probe.audio),
            "has sound tracks without a single sample: the export failed, export it again.",
        ),
        (_span(probe) > _LONGEST_S, "claims to be longer than the 24 hours that are expected: export it again."),
        (bool(_loss(probe)), f"is cut short: {_loss(probe)}; export or upload it again."),
        (bool(probe.decode_errors), f"is damaged ({_complaint(probe)}): export or upload it again."),
    )
    return tuple(f"{master} {reason}" for applies, reason in checks if applies)[:1]


def _others(probe: Probe) -> str:
    kinds = {"audio": len(probe.audio), "subtitle": len(probe.subtitles)}
    found = [f"{count} {kind} track{'s' * (count > 1)}" for kind, count in kinds.items() if count]
    return " and ".join(found) or "other tracks"


def _picture_reasons(probe: Probe, track: VideoTrack, master: str) -> tuple[str, ...]:
    hours = float(track.duration / 3600)
    alone = [kind.removeprefix("dv") for kind in track.dynamic if kind in _NO_BASE_LAYER]
    checks = (
        (
            bool(alone),
            f"is Dolby Vision profile {' '.join(alone)}, which has no base layer: deliver profile 8.1, or HDR10.",
        ),
        (
            track.packets == 0 or track.duration <= 0,
            "has a video track without a single frame: the export failed, export it again.",
        ),
        (track.width <= 0 or track.height <= 0, "does not say how large its picture is: export it again."),
        (
            track.duration > _LONGEST_S,
            f"claims to be {hours:.0f} hours long (24 at most are expected): export it again.",
        ),
        (bool(_loss(probe)), f"is cut short: {_loss(probe)}; export or upload it again."),
        (
            probe.first_frames_decoded == 0,
            f"does not decode at its start ({track.codec}: {_complaint(probe)}): export it again.",
        ),
        (
            probe.last_frames_decoded == 0,
            f"does not decode at its end ({track.codec}: {_complaint(probe)}), as if cut short: export it again.",
        ),
        (bool(probe.decode_errors), f"is damaged ({_complaint(probe)}): export or upload it again."),
    )
    return tuple(f"{master} {reason}" for applies, reason in checks if applies)[:1]


def _complaint(probe: Probe) -> str:
    return probe.decode_errors[0] if probe.decode_errors else "no picture came out"


def _loss(probe: Probe) -> str:
    """What of the promised duration or samples is not there, in words; empty when all is."""
    held = _span(probe)
    if probe.duration - held > _MISSING_S:
        return f"it promises {float(probe.duration):.1f} s and holds {float(held):.1f} s"
    return next((line for line in probe.decode_errors if _is_loss(line)), "")


def _span(probe: Probe) -> Fraction:
    """From the first to the last moment of picture or sound, counted from 0 where that is longer."""
    starts = [track.start for track in probe.video] + [track.start for track in probe.audio]
    ends = [track.start + track.duration for track in probe.video]
    ends += [track.start + track.duration for track in probe.audio]
    return max(*ends, max(ends) - min(starts)) if ends else Fraction(0)
