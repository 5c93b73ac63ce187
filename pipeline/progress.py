"""How far the encode of one title is, whoever encodes it."""

from pydantic import Field

from encoders.documents import AudioJob, VideoJob
from telecine.document import Document

__all__ = ["EncodeProgress", "frames_of"]


def frames_of(job: VideoJob | AudioJob) -> int:
    """What a job weighs in a title's progress: its pictures; sound has none."""
    return job.chunk.frames if isinstance(job, VideoJob) else 0


class EncodeProgress(Document):
    """How far the encode of a title is. ``eta_s`` is None until a rate is known."""

    chunks_done: int
    chunks_total: int
    frames_done: int
    frames_total: int
    running: int
    fps: float
    eta_s: float | None
    workers_slots: int
    need_gpu: int = Field(default=0, description="jobs that wait for a GPU worker while none is up")
    troubles: tuple[str, ...] = Field(default=(), description="why jobs wait for another attempt")
    fell_back: dict[str, int] = Field(default_factory=dict, description="jobs of the GPU made by the CPU, by reason")

    def line(self) -> str:
        """One line for a log."""
        share = 100 * self.frames_done / self.frames_total if self.frames_total else 0
        eta = f", {self.eta_s:.0f} s to go" if self.eta_s is not None else ""
        waiting = "" if self.workers_slots else "; no worker is up, waiting for one"
        waiting += f"; {self.need_gpu} jobs need a GPU worker and none is up" if self.need_gpu else ""
        waiting += "".join(f"; {jobs} on the CPU, as {reason}" for reason, jobs in self.fell_back.items())
        waiting += "".join(f"; tried again: {trouble}" for trouble in self.troubles)
        return (
            f"encoded {self.chunks_done} of {self.chunks_total} jobs, {share:.0f} % of frames, "
            f"{self.running} running at {self.fps:.1f} fps{eta}{waiting}"
        )
