"""Where a title is cut for encoding: on segment edges of the output-frame grid, once for all rungs. Pure."""

from fractions import Fraction

from encoders.documents import Chunk

__all__ = ["cut_chunks"]

_SHORT = Fraction(1, 4)
"""A last chunk shorter than this part of a chunk is not worth its pre-roll and its own process."""


def cut_chunks(
    first_frame: int, total_frames: int, *, segment_frames: int, rate: Fraction, chunk_seconds: int
) -> tuple[Chunk, ...]:
    """Chunks of whole segments, each at least ``chunk_seconds`` long, that cover the title without gap or overlap.

    Only the last may end inside a segment; where it would be very short, the one before takes it in.
    """
    segments = -(-(chunk_seconds * rate) // segment_frames)
    length = max(1, int(segments)) * segment_frames
    count, rest = divmod(total_frames, length)
    if rest and (count == 0 or rest >= _SHORT * length):
        count += 1
    edges = [first_frame + position * length for position in range(count)]
    ends = [*edges[1:], first_frame + total_frames]
    return tuple(Chunk(index=i, start=start, end=end) for i, (start, end) in enumerate(zip(edges, ends, strict=True)))
