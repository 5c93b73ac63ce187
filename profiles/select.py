"""The ladder of one master: what of a profile makes sense for its picture and sound. Pure."""

from fractions import Fraction
from typing import Literal

from profiles.models import AudioRung, Ladder, Profile, VideoRung
from profiles.picture_policy import treated
from telecine.errors import SourceRejected
from telecine.media import AudioTrack, FrameRate, Probe, VideoTrack

__all__ = [
    "SOUND_GRID",
    "can_pass",
    "centre_of_shape",
    "choose_ladder",
    "display_size",
    "dynamic_range",
    "fitted_size",
    "is_made_of",
    "label_of",
    "output_rate",
]

SOUND_GRID = FrameRate(numerator=25, denominator=1)
"""The grid on which a title without picture is cut into segments; no frame of sound is as long as one of its own."""

_SD_LINES = 576
_HD_LINES = 1080
_HDR_TRANSFERS: dict[str, Literal["PQ", "HLG"]] = {"smpte2084": "PQ", "arib-std-b67": "HLG"}


def choose_ladder(profile: Profile, probe: Probe) -> Ladder:
    """Rungs fitted to the master: never upscaled, shape kept, sizes even, none twice for a codec; labels by lines, or
    as the profile says.

    A master smaller than the smallest rung gives that one rung at the master's size. A profile without video rungs
    needs no picture. Raises SourceRejected when there are such rungs and the probe has no video track.
    """
    if profile.video and not probe.video:
        raise SourceRejected(f"The master {probe.master.uri} has no video track, so no ladder fits it.")
    probe = treated(probe, profile.picture)
    rate = output_rate(probe.video[0]) if profile.video else SOUND_GRID.fraction
    gop_frames = max(1, round(profile.gop_seconds * rate))
    return Ladder(
        profile=profile.name,
        gop_frames=gop_frames,
        segment_frames=gop_frames * profile.segment_gops,
        video=_video_rungs(profile, probe.video[0]) if profile.video else (),
        audio=_audio_rungs(profile, probe),
        packaging=profile.packaging,
        picture=profile.picture,
        damage_allowed=profile.source_checks.decode_errors.allows_any,
    )


def is_made_of(rung: AudioRung, track: AudioTrack) -> bool:
    """Whether a track has what an audio rung needs."""
    if track.channels < max(1, rung.min_source_channels):
        return False
    return rung.passthrough != "only" or can_pass(rung, track)


def can_pass(rung: AudioRung, track: AudioTrack) -> bool:
    """Whether a track's own coded samples are what the rung asks for: its codec and rate, and objects where it says so.

    Where encoding is the other choice, channels must be equal too, and the bits no more than the rung's.
    """
    if track.codec != rung.codec or track.sample_rate_hz != rung.sample_rate_hz or (rung.atmos and not track.atmos):
        return False
    as_asked = track.channels == rung.channels and 0 < track.bit_rate_bps <= rung.bitrate_bps
    return rung.passthrough == "only" or (rung.passthrough == "when_possible" and as_asked)


def _audio_rungs(profile: Profile, probe: Probe) -> tuple[AudioRung, ...]:
    return tuple(
        rung.model_copy(update={"downmix": rung.downmix or profile.downmix})
        for rung in profile.audio
        if any(is_made_of(rung, track) for track in probe.audio)
    )


def display_size(track: VideoTrack) -> tuple[Fraction, Fraction]:
    """Width and height as shown: square samples, turned upright, bars cut off. The lines of the source are kept."""
    turned = bool(track.rotation % 180)
    width, height = (track.height, track.width) if turned else (track.width, track.height)
    if track.crop:
        width, height = track.crop.width, track.crop.height
    wide, tall = (Fraction(1), track.sample_aspect) if turned else (track.sample_aspect, Fraction(1))
    return width * wide, height * tall


def output_rate(track: VideoTrack) -> Fraction:
    """Frames a second that are encoded: film out of 3:2 pulldown at its own rate, else a frame for each field, so that
    motion stays smooth, or for each picture where the profile says so.
    """
    if track.telecined:
        return track.frame_rate.fraction * 4 / 5
    return track.frame_rate.fraction * (2 if track.interlaced and track.deinterlace == "fields" else 1)


def centre_of_shape(track: VideoTrack, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height, in upright samples, of the largest centre of the picture that has the shape of ``size``."""
    shown = display_size(track)
    scale = min(shown[0] / size[0], shown[1] / size[1])
    samples = (track.height, track.width) if track.rotation % 180 else (track.width, track.height)
    if track.crop:
        samples = (track.crop.width, track.crop.height)
    width, height = (
        _even(side * scale * count / length, count) for side, length, count in zip(size, shown, samples, strict=True)
    )
    return width, height


def dynamic_range(track: VideoTrack) -> Literal["SDR", "PQ", "HLG"]:
    """How the track's samples map to light, by its transfer (ITU-R BT.2100); the names are those of VIDEO-RANGE."""
    return _HDR_TRANSFERS.get(track.colour.transfer or "", "SDR")


def _video_rungs(profile: Profile, track: VideoTrack) -> tuple[VideoRung, ...]:
    """Smallest first while choosing, so that of two equal sizes the cheaper rung stays; in catalogue order at last."""
    shown, chosen = display_size(track), dict[tuple[object, ...], VideoRung]()
    worthwhile = [rung for rung in profile.video if max(shown) >= rung.min_source_width] or profile.video
    for rung in sorted(worthwhile, key=lambda rung: (rung.width * rung.height, rung.max_bps)):
        fitted = _fitted_rung(rung, track)
        chosen.setdefault((fitted.codec, fitted.dynamic_range, fitted.width, fitted.height), fitted)
    names = [rung.name for rung in profile.video]
    return tuple(sorted(chosen.values(), key=lambda rung: names.index(rung.name)))


def _fitted_rung(rung: VideoRung, track: VideoTrack) -> VideoRung:
    width, height = fitted_size((rung.width, rung.height), display_size(track), rung.fit)
    keeps_hdr = rung.dynamic_range == "source" and dynamic_range(track) != "SDR"
    return rung.model_copy(
        update={
            "width": width,
            "height": height,
            "dynamic_range": "source" if keeps_hdr else "sdr",
            "label": rung.label if "label" in rung.model_fields_set else label_of(width, height, hdr=keeps_hdr),
        }
    )


def label_of(width: int, height: int, *, hdr: bool = False) -> str:
    """Key label of a picture, by its lines: those of the shorter side."""
    lines = min(width, height)
    if lines <= _SD_LINES:
        return "SD"
    if lines <= _HD_LINES:
        return "HD"
    return "UHD_HDR" if hdr else "UHD"


def fitted_size(
    box: tuple[int, int], shown: tuple[Fraction, Fraction], fit: Literal["inside", "cover"] = "inside"
) -> tuple[int, int]:
    """A picture fitted into a box, its shape kept, or the box it covers; even, never larger than it is shown."""
    (width, height), scale = shown, min(Fraction(1), box[0] / shown[0], box[1] / shown[1])
    if fit == "cover":
        scale = min(Fraction(1), shown[0] / box[0], shown[1] / box[1])
        return _even(box[0] * scale, box[0]), _even(box[1] * scale, box[1])
    return _even(width * scale, min(box[0], int(width))), _even(height * scale, min(box[1], int(height)))


def _even(length: Fraction, limit: int) -> int:
    """The nearest even number up to ``limit``: 4:2:0 has one colour sample for two columns and two lines."""
    return max(2, min(round(length / 2) * 2, limit // 2 * 2))
