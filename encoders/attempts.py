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
    """Encode a job once there is room for it. Raises as ``encode`` and ``Admission.admitted``.

    A job that would not fit alone is encoded rung by rung, each from a decode of its own, to the same bytes.
    """
    made = []
    for part in bench.admission.parts(job):
        rungs = {output.rung.name for output in part.outputs}
        with said_plainly(part, bench.work_dir), bench.admission.admitted(part, on_wait):
            made.append(_encoded(job, rungs, source, bench, on_progress))
    return made[-1].model_copy(
        update={
            "encoded": any(chunk.encoded for chunk in made),
            "cpu_s": sum(chunk.cpu_s for chunk in made),
            "max_rss_bytes": max(chunk.max_rss_bytes for chunk in made),
            "fell_back": job.fell_back if isinstance(job, VideoJob) else None,
        }
    )


def _encoded(
    job: VideoJob | AudioJob, rungs: set[str], source: Path, bench: Bench, on_progress: OnProgress | None
) -> EncodedChunk:
    try:
        return encode(job, source, bench.store, bench.work_dir, on_progress, rungs)
    except (ToolFailed, EncodeFailed) as error:
        if not isinstance(job, VideoJob) or job.decode != "gpu":
            raise
        log.warning("chunk.not_decoded_on_gpu", job=job.digest[:12], found=str(error))
        through_memory = job.model_copy(update={"decode": "cpu"})
        return encode(through_memory, source, bench.store, bench.work_dir, on_progress, rungs)
