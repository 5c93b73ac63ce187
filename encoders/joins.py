"""Proof that chunks meet frame for frame: pictures around each join are those of the source, decoded anew."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from encoders.alignment import HEIGHT, REACH, SHIFTS, WIDTH, Signature, judge, signatures
from encoders.command import joins_command
from encoders.documents import EncodePlan, VideoJob
from encoders.scratch import private_folder
from encoders.span import Look, Span
from encoders.tooling import run_tool
from telecine.errors import EncodeFailed
from telecine.log import get_logger
from telecine.rendition import JoinEvidence, RenditionSet
from telecine.storage.port import ObjectStore

__all__ = ["check_joins", "chosen_joins"]

log = get_logger(__name__)

_MOST_JOINS = 12
"""Of a long title so many joins are looked at, spread evenly: all are made alike."""

_FURTHER_AHEAD_S = (Fraction(30), None)


def check_joins(
    plan: EncodePlan, renditions: RenditionSet, source: Path, store: ObjectStore, work_dir: Path
) -> JoinEvidence:
    """Look at the joins of every video rendition. Raises EncodeFailed when a chunk shows other pictures than it should.

    The source is opened by itself for each join, with a seek that no encode has used.
    """
    joins, found = chosen_joins(plan), Counter[str]()
    if joins:
        with private_folder(work_dir) as folder:
            made = [(r.name, folder / f"{position}.mp4") for position, r in enumerate(renditions.video)]
            for (_, path), rendition in zip(made, renditions.video, strict=True):
                store.get_file(rendition.key, path)
            for join in joins:
                found.update(_look(plan, join, source, made, folder))
    evidence = JoinEvidence(
        joins=len(plan.chunks) - 1, looked_at=len(joins), aligned=found["aligned"], still=found["still"]
    )
    log.info("joins.checked", **evidence.model_dump())
    return evidence


def chosen_joins(plan: EncodePlan) -> list[int]:
    """First frames of the chunks that are looked at."""
    starts = [chunk.start for chunk in plan.chunks[1:]]
    if len(starts) <= _MOST_JOINS:
        return starts
    return [starts[(len(starts) - 1) * position // (_MOST_JOINS - 1)] for position in range(_MOST_JOINS)]


def _look(plan: EncodePlan, join: int, source: Path, made: Sequence[tuple[str, Path]], folder: Path) -> list[str]:
    """Verdicts of both sides of a join in every rendition."""
    around = REACH + SHIFTS
    start = max(plan.first_frame, join - around)
    end = min(plan.first_frame + plan.total_frames, join + around)
    shown, *encoded = _decoded(plan, (start, end), source, made, folder)
    verdicts: list[str] = []
    for (name, _), pictures in zip(made, encoded, strict=True):
        for side in (range(join - REACH, join), range(join, join + REACH)):
            verdict = judge(pictures, shown, [frame - start for frame in side])
            if verdict.found == "shifted":
                shown_there = side[0] + verdict.shift
                message = (
                    f"Rendition '{name}' shows the source's frame {shown_there} where frame {side[0]} belongs, "
                    f"at the join of chunks in front of frame {join}."
                )
                raise EncodeFailed(message)
            verdicts.append(verdict.found)
    return verdicts


def _decoded(
    plan: EncodePlan, window: tuple[int, int], source: Path, made: Sequence[tuple[str, Path]], folder: Path
) -> list[list[Signature]]:
    """Signatures of every frame of a window: the source's, then those of each rendition."""
    outputs = [folder / f"{position}.gray" for position in range(len(made) + 1)]
    rung = plan.ladder.video[0]
    span = Span(plan.probe.video[0], plan.frame_rate, *window, cover=rung.fit == "cover")
    first = next(job.preroll_s for job in plan.jobs if isinstance(job, VideoJob))
    for preroll_s in (first, *_FURTHER_AHEAD_S):
        look = Look(first_frame=plan.first_frame, preroll_s=preroll_s, shape=(rung.width, rung.height))
        files = [path for _, path in made]
        run_tool(joins_command(span, source, files, outputs, (WIDTH, HEIGHT), look))
        found = [signatures(path.read_bytes()) for path in outputs]
        if all(len(pictures) == window[1] - window[0] for pictures in found):
            return found
    message = f"Frames {window[0]} to {window[1]} of the master or of a rendition could not be decoded again."
    raise EncodeFailed(message)
