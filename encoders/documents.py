"""The documents of the encoding stage: a plan decides everything once; jobs carry all a worker needs."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from profiles.models import AudioRung, Ladder, VideoRung
from telecine.document import Document, ExactSeconds, Sha256
from telecine.media import AudioTrack, FrameRate, Master, Probe, VideoTrack
from telecine.rendition import LoudnessReport

__all__ = [
    "AudioJob",
    "AudioOutput",
    "Chunk",
    "EncodeJob",
    "EncodePlan",
    "EncodedChunk",
    "EncodedOutput",
    "ShotCrf",
    "VideoJob",
    "VideoOutput",
    "job_adapter",
]


class Chunk(Document):
    """A unit of encoding: output frames [start, end) on the absolute grid of the plan's frame rate.

    Frame ``f`` of the grid starts at ``f / frame_rate`` on the container's clock, so ``start`` of the first chunk is
    the plan's ``first_frame``, which is not 0 where the container's clock does not start at 0.
    """

    index: int
    start: int
    end: int

    @property
    def frames(self) -> int:
        return self.end - self.start


class ShotCrf(Document):
    """The constant quality of output frames [start, end) of the plan's grid, instead of the rung's own CRF."""

    start: int
    end: int
    crf: float = Field(ge=0, le=63)


class VideoOutput(Document):
    """One rung of one chunk; ``digest`` names source bytes, range, all parameters and the tool's version."""

    rung: VideoRung
    digest: Sha256
    key: str = Field(description="where the verified MP4 goes in the work store")
    shots: tuple[ShotCrf, ...] = Field(default=(), description="inside the chunk, in order; frames of none: rung.crf")
    encoder: Literal["cpu", "gpu"] = Field(default="cpu", description="gpu: NVENC's encoder of the rung's codec")
    in_band: bool = Field(default=False, description="parameter sets in every key frame: encoders may differ by chunk")


class AudioOutput(Document):
    """One audio rung over the whole programme."""

    rung: AudioRung
    digest: Sha256
    key: str


class VideoJob(Document):
    """One chunk, all of its rungs from one decode."""

    kind: Literal["video"] = "video"
    digest: Sha256
    master: Master
    track: VideoTrack
    frame_rate: FrameRate
    gop_frames: int
    segment_frames: int = Field(default=0, description="no such segment may pass its rung's cap; 0: none is held")
    chunk: Chunk
    threads: int
    preroll_s: ExactSeconds = Field(description="how far ahead of the chunk decoding starts; shapes no byte")
    outputs: tuple[VideoOutput, ...]
    damage_allowed: bool = Field(default=False, description="pictures that do not decode are concealed or held")
    queue: Literal["cpu", "gpu"] = "cpu"
    decode: Literal["cpu", "gpu"] = Field(default="cpu", description="gpu: pictures stay on the GPU to the encoder")
    fallback: tuple[VideoOutput, ...] = Field(default=(), description="what the CPU makes where the GPU cannot")
    fell_back: str | None = Field(default=None, description="why the CPU makes what was planned for the GPU")
    memory_bytes: int = Field(default=0, description="peak memory of its encoder, reckoned; 0: not known")
    tone_map_size: tuple[int, int] | None = Field(
        default=None, description="where HDR becomes SDR, in a part of a plan; none: the size of the largest SDR rung"
    )


class AudioJob(Document):
    """One audio track, whole: encoders prime and pad, so a join inside would be heard.

    ``start`` and ``duration`` are the programme's on the container's clock: audio is padded or cut to exactly that.
    """

    kind: Literal["audio"] = "audio"
    digest: Sha256
    master: Master
    track: AudioTrack
    start: ExactSeconds
    duration: ExactSeconds
    outputs: tuple[AudioOutput, ...]
    damage_allowed: bool = False
    queue: Literal["cpu", "gpu"] = "cpu"
    memory_bytes: int = Field(default=0, description="peak memory of its encoder, reckoned; 0: not known")


EncodeJob = Annotated[VideoJob | AudioJob, Field(discriminator="kind")]
job_adapter: TypeAdapter[VideoJob | AudioJob] = TypeAdapter(EncodeJob)


class EncodePlan(Document):
    """Every encode of one title, decided once. Equal masters, ladders, settings and tools give equal plans."""

    digest: Sha256
    master: Master
    probe: Probe
    ladder: Ladder
    frame_rate: FrameRate
    first_frame: int
    total_frames: int
    chunks: tuple[Chunk, ...]
    jobs: tuple[EncodeJob, ...]
    expected_bytes: int = Field(description="upper estimate of all renditions together, from the rungs' caps")
    partial: bool = Field(default=False, description="of the profile's minimum ladder alone; the rest is made later")


class EncodedOutput(Document):
    """One verified file in the work store."""

    name: str = Field(description="rung name")
    digest: Sha256
    key: str
    sha256: Sha256
    size_bytes: int
    frames: int | None = None
    loudness: LoudnessReport | None = None


class EncodedChunk(Document):
    """What a finished job made. ``encoded`` is False when every output was in the store already."""

    job_digest: Sha256
    outputs: tuple[EncodedOutput, ...]
    encoded: bool
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    fell_back: str | None = Field(default=None, description="why the CPU made what was planned for the GPU")
