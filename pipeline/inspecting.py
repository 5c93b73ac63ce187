"""A master looked at in full, without making anything of it."""

from pipeline import steps
from pipeline.make import local_place
from pipeline.submission import request_from
from telecine.document import Document
from telecine.findings import SourceReport
from telecine.media import Probe
from telecine.settings import Settings

__all__ = ["Inspected", "inspect_whole"]


class Inspected(Document):
    """What ``telecine inspect`` tells; ``refused`` when a finding ends the title."""

    probe: Probe
    report: SourceReport
    refused: bool


def inspect_whole(uri: str, profile_name: str, settings: Settings) -> Inspected:
    """Inspect, qualify and examine. Raises SourceRejected for a master that cannot be examined at all."""
    place = local_place(settings, settings.work_dir)
    request = request_from({"master_uri": uri, "profile": profile_name})
    probe = steps.qualify(place, steps.inspect_bytes(place, steps.register(place, request)), profile_name)
    report = steps.examine(place, probe, profile_name, every_picture=True)
    return Inspected(probe=probe, report=report, refused=bool(report.rejections))
