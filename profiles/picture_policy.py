"""What a profile has done to a picture before it is scaled, and a master seen that way. Pure."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from telecine.document import Document
from telecine.media import Probe

__all__ = ["PicturePolicy", "treated"]

CropPolicy = Annotated[
    # a bare ``off`` is false to YAML 1.1
    Literal["off", "auto"],
    BeforeValidator(lambda value: "off" if value is False else value),
]


class PicturePolicy(Document):
    """The ``picture`` block of a profile."""

    deinterlace: Literal["fields", "frames"] = Field(
        default="fields", description="fields: one frame a field, so that motion stays smooth; frames: one of two"
    )
    crop: CropPolicy = Field(default="off", description="auto: black bars are cut off; off: they are only told")


def treated(probe: Probe, policy: PicturePolicy) -> Probe:
    """The probe as the policy treats its picture: sizes and rates of all later steps come of this. Idempotent."""
    if not probe.video:
        return probe
    track = probe.video[0]
    changes = {"deinterlace": policy.deinterlace, "crop": track.active if policy.crop == "auto" else None}
    if all(getattr(track, name) == value for name, value in changes.items()):
        return probe
    return probe.model_copy(update={"video": (track.model_copy(update=changes), *probe.video[1:])})
