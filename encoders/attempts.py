"""One attempt at one job: let in when it fits, on the GPU as planned or with its pictures through main memory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from encoders.admission import Admission
from encoders.documents import AudioJob, EncodedChunk, VideoJob
from encoders.failures import said_plainly
from encoders.work import OnProgress, encode
from telecine.errors import EncodeFailed, ToolFailed
from telecine.log import get_logger
from telecine.storage.port import ObjectStore

__all__ = ["Bench", "attempt"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where jobs are encoded: their store, scratch space, and who lets them in."""

    store: ObjectStore
    work_dir: Path
    admission: Admission


def attempt(
    job: VideoJob | AudioJob,
    source: Path,
    bench: Bench,
    on_progress: OnProgress | None = None,
    on_wait: Callable[[], None] = lambda: None,
) -> EncodedChunk:
    """Encode a job once there is room for it. Raises as ``encode`` and ``Admission.admitted``."""
    with said_plainly(job, bench.work_dir), bench.admission.admitted(job, on_wait):
        try:
            made = encode(job, source, bench.store, bench.work_dir, on_progress)
        except (ToolFailed, EncodeFailed) as error:
            if not isinstance(job, VideoJob) or job.decode != "gpu":
                raise
            log.warning("chunk.not_decoded_on_gpu", job=job.digest[:12], found=str(error))
            through_memory = job.model_copy(update={"decode": "cpu"})
            made = encode(through_memory, source, bench.store, bench.work_dir, on_progress)
    fell_back = job.fell_back if isinstance(job, VideoJob) else None
    return made.model_copy(update={"fell_back": fell_back})
