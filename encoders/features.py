"""What makes encode jobs cost alike, and what one is reckoned to cost. Pure.

Features are words from coarse to fine, joined by slashes: what begins alike is similar. Reckoned seconds are those of
one core, by rough figures of the encoders' presets; only their proportions matter once a few jobs were measured here.
"""

from encoders.documents import AudioJob, VideoJob, VideoOutput
from encoders.picture import keeps_hdr, needs_tone_map
from profiles.models import VideoCodec
from profiles.select import display_size
from telecine.document import Document, digest_of

__all__ = ["FEATURES_LENGTH", "Cost", "cost_of", "megapixels", "reading_s"]

FEATURES_LENGTH = 250
_PIXELS = 1e6

_OVERHEAD_S = 0.8
"""Starting FFmpeg, verifying and storing what it made."""

_DECODE, _TONE_MAP, _GPU = 0.004, 0.03, 0.004
"""Seconds a megapixel; of pictures decoded, tone-mapped, and encoded by NVENC."""

_A_BIT, _A_BIT_INTRA = 8e-9, 2e-9
"""Seconds a bit of the master that is decoded: arithmetic coding of long GOPs, and codecs of pictures each alone."""
_INTRA = frozenset({"prores", "dnxhd", "mjpeg", "jpeg2000", "ffv1", "rawvideo", "v210"})

_X26X = {
    "ultrafast": 0.006, "superfast": 0.009, "veryfast": 0.013, "faster": 0.02, "fast": 0.028,
    "medium": 0.036, "slow": 0.065, "slower": 0.14, "veryslow": 0.26, "placebo": 0.6,
}  # fmt: skip
_X265_TIMES = 3.5
_SLOWEST = {VideoCodec.VP9: 0.5, VideoCodec.SVT_AV1: 1.2}
"""Seconds a megapixel of preset 0; each faster preset takes 0.72 of the one before."""
_FASTER = 0.72

_SOUND = 0.012
"""Seconds for each second of one rendition of sound: measured for loudness, then encoded."""

_RATES = (25, 30, 50, 60)


class Cost(Document):
    """What a job costs. ``units``: frames, or whole seconds of sound; ``content``: same for all jobs of one master."""

    features: str
    nominal_s: float
    units: int
    content: str


def cost_of(job: VideoJob | AudioJob) -> Cost:
    """Features, reckoned slot seconds and units of a job."""
    match job:
        case VideoJob():
            features, nominal_s, units = _video_features(job), _video_s(job), job.chunk.frames
        case AudioJob():
            codecs = "+".join(f"{out.rung.codec}-{out.rung.channels}" for out in job.outputs)
            features, units = f"audio/{job.queue}/{codecs}", max(1, round(job.duration))
            nominal_s = _OVERHEAD_S + _SOUND * units * len(job.outputs)
    return Cost(features=features, nominal_s=nominal_s, units=units, content=job.master.sha256[:16])


def megapixels(job: VideoJob | AudioJob) -> float:
    """Of one picture of all outputs together; 0 of sound."""
    return sum(map(_megapixels, job.outputs)) if isinstance(job, VideoJob) else 0.0


def reading_s(size_bytes: float, codec: str) -> float:
    """What decoding takes for so many bytes of this codec, beside what each picture takes: noise has more of them."""
    return 8 * size_bytes * (_A_BIT_INTRA if codec in _INTRA else _A_BIT)


def _video_features(job: VideoJob) -> str:
    codecs = "+".join(sorted({f"{out.rung.codec}-{_preset(out)}" for out in job.outputs}))
    shown = "hdr" if needs_tone_map(job.track) else "sdr"
    sizes = "+".join(f"{out.rung.width}x{out.rung.height}" for out in job.outputs)
    width, height = (int(side) for side in display_size(job.track))
    rate = next((rate for rate in _RATES if job.frame_rate.fraction <= rate), _RATES[-1])
    first = f"video/{job.queue}/{codecs}/{shown}"
    features = f"{first}/{sizes}/from-{width}x{height}/{rate}fps"
    return features if len(features) <= FEATURES_LENGTH else f"{first[:180]}/{digest_of(features)[:16]}"


def _video_s(job: VideoJob) -> float:
    width, height = display_size(job.track)
    picture = _DECODE * float(width * height) / _PIXELS + sum(
        _GPU * _megapixels(o) if o.encoder == "gpu" else _a_megapixel(o) * _megapixels(o) for o in job.outputs
    )
    if needs_tone_map(job.track):
        mapped = [_megapixels(out) for out in job.outputs if not keeps_hdr(job.track, out.rung)]
        picture += _TONE_MAP * max(mapped, default=0.0)
    share = job.chunk.frames / max(job.track.packets, job.chunk.frames)
    return _OVERHEAD_S + picture * job.chunk.frames + reading_s(job.master.size_bytes * share, job.track.codec)


def _megapixels(output: VideoOutput) -> float:
    return output.rung.width * output.rung.height / _PIXELS


def _a_megapixel(output: VideoOutput) -> float:
    rung = output.rung
    if rung.codec in _SLOWEST:
        number = int(rung.preset) if rung.preset.isdigit() else 4
        return _SLOWEST[rung.codec] * _FASTER**number
    seconds = _X26X.get(rung.preset, _X26X["slow"])
    return seconds * _X265_TIMES if rung.codec is VideoCodec.X265 else seconds


def _preset(output: VideoOutput) -> str:
    return f"nvenc-{output.rung.hardware_preset}" if output.encoder == "gpu" else output.rung.preset
