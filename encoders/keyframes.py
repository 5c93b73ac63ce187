"""Whether a coded picture is a point where decoding can start anew. Pure."""

__all__ = ["is_random_access"]

_H264_IDR = {5}
_HEVC_IDR = {19, 20}
_AV1_SEQUENCE_HEADER = 1
_VP9_MARKER = 0b10
_VP9_LARGEST_PROFILE = 3


def is_random_access(codec: str, sample: bytes) -> bool:
    """Judge one sample of a track by the start of its RFC 6381 string: a sync flag alone also marks open GOPs.

    H.264 (table 7-1, type 5) and HEVC (table 7-1, IDR_W_RADL and IDR_N_LP) by NAL types, VP9 by its frame header
    (6.2), AV1 by the sequence header that opens a coded video sequence (7.5). Raises ValueError for another codec.
    """
    match codec.partition(".")[0]:
        case "avc1":
            return bool(_H264_IDR & {nal[0] & 0x1F for nal in _nals(sample)})
        case "hvc1":
            return bool(_HEVC_IDR & {nal[0] >> 1 & 0x3F for nal in _nals(sample)})
        case "vp09":
            return _is_vp9_key(sample[0])
        case "av01":
            return _AV1_SEQUENCE_HEADER in _obu_types(sample)
    message = f"nothing is known of key frames in '{codec}'"
    raise ValueError(message)


def _nals(sample: bytes) -> list[bytes]:
    """First bytes of the NAL units of a length-prefixed sample (ISO/IEC 14496-15)."""
    found, at = [], 0
    while at + 4 < len(sample):
        found.append(sample[at + 4 : at + 6])
        at += 4 + int.from_bytes(sample[at : at + 4], "big")
    return found


def _is_vp9_key(first: int) -> bool:
    """Marker (2 bits), profile (low, high; 3 has a reserved bit more), show_existing_frame, frame_type."""
    profile = first >> 5 & 1 | first >> 3 & 2
    shift = 2 if profile == _VP9_LARGEST_PROFILE else 3
    shows_existing, inter = first >> shift & 1, first >> (shift - 1) & 1
    return first >> 6 == _VP9_MARKER and not shows_existing and not inter


def _obu_types(sample: bytes) -> set[int]:
    types, at = set(), 0
    while at < len(sample):
        header = sample[at]
        types.add(header >> 3 & 0xF)
        at += 2 if header & 0b100 else 1
        if not header & 0b10:
            break
        size, shift = 0, 0
        while at < len(sample):
            size |= (sample[at] & 0x7F) << shift
            shift, more, at = shift + 7, sample[at] & 0x80, at + 1
            if not more:
                break
        at += size
    return types
