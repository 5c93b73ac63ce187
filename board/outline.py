"""What would be made of a master, before anything is."""

from board.documents import PlanOutline, PlanWish, RungOutline
from pipeline import steps
from pipeline.installation import Installation
from pipeline.submission import request_from
from profiles.models import AudioRung, VideoRung

__all__ = ["outline"]


def outline(place: Installation, wish: PlanWish) -> PlanOutline:
    """Ladder, chunks and size; nothing is encoded. Raises SourceRejected for a master that cannot become a title."""
    request = request_from({"master_uri": wish.master_uri, "profile": wish.profile})
    probe = steps.qualified(place, request)
    plan = steps.plan(place, probe, wish.profile)
    return PlanOutline(
        profile=wish.profile,
        duration_s=float(plan.total_frames / plan.frame_rate.fraction),
        frames=plan.total_frames,
        chunks=len(plan.chunks),
        jobs=len(plan.jobs),
        expected_bytes=plan.expected_bytes,
        rungs=(*map(_picture, plan.ladder.video), *map(_sound, plan.ladder.audio)),
    )


def _picture(rung: VideoRung) -> RungOutline:
    return RungOutline(name=rung.name, codec=rung.codec, width=rung.width, height=rung.height, max_bps=rung.max_bps)


def _sound(rung: AudioRung) -> RungOutline:
    return RungOutline(name=rung.name, codec=rung.codec, max_bps=rung.bitrate_bps)
