"""What FFmpeg says on stderr, read as evidence: its exit status alone is not (it is 0 on truncated sources)."""

import re

__all__ = ["complaints", "damage"]

_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
# said of sound files too: a decoder that starts at an open GOP or an odd POC order, and recovers by itself
_HARMLESS = re.compile(
    r"co located POCs unavailable|mmco: unref short|Could not find ref with POC|reference picture missing"
    r"|number of reference frames .* exceeds max|no frame!|first frame is no keyframe|Missing reference picture"
    r"|non-existing PPS|decode_slice_header error|Last message repeated"
    r"|Invalid frame dimensions 0x0|non monotonically increasing dts"
)
_DAMAGE = re.compile(
    r"error while decoding MB|cabac decode|out of range intra|bytestream|Invalid NAL|Invalid data found"
    r"|File ended prematurely|partial file|corrupt|ac-tex damaged|slice mismatch|block unavailable|Truncat"
    r"|CABAC_MAX_BIN|Error submitting|concealing",
    re.IGNORECASE,
)


def complaints(stderr: str) -> tuple[str, ...]:
    """Lines that say something is wrong, without process addresses, each once, in order."""
    lines = (_ADDRESS.sub("", line).strip() for line in stderr.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line and not _HARMLESS.search(line)))


def damage(stderr: str) -> tuple[str, ...]:
    """The complaints that mean pictures or sound were lost or guessed."""
    return tuple(line for line in complaints(stderr) if _DAMAGE.search(line))
