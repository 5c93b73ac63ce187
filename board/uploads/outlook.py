"""What this installation's forecast says of a plan that nobody has started yet."""

from board.uploads.planning import Outlook
from encoders.documents import EncodePlan
from pipeline.installation import Installation

__all__ = ["outlook_of"]


def outlook_of(place: Installation, plan: EncodePlan) -> Outlook:  # noqa: ARG001 - the seam for the forecast
    """Unknown while no history is kept."""
    return Outlook()
