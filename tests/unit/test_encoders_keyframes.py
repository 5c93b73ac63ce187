"""Which coded pictures a decoder can start at."""

import pytest

from encoders.keyframes import is_random_access


def nals(*units):
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def obu(kind, body=b""):
    return bytes([kind << 3 | 0b10, len(body)]) + body


@pytest.mark.parametrize(
    ("codec", "sample", "starts"),
    [
        ("avc1.64001f", nals(b"\x67\x64", b"\x65\x88"), True),
        ("avc1.64001f", nals(b"\x06\x06", b"\x41\x9a"), False),  # a recovery point: no IDR
        ("hvc1.2.4.L93.90", nals(b"\x40\x01", b"\x26\x01"), True),  # IDR_W_RADL
        ("hvc1.2.4.L93.90", nals(b"\x28\x01\xaf"), True),  # IDR_N_LP
        ("hvc1.2.4.L93.90", nals(b"\x2a\x01\xaf"), False),  # CRA: pictures before it may refer to what is not there
        ("vp09.00.30.08", b"\x82\x49\x83\x42", True),
        ("vp09.00.30.08", b"\x86\x00\x40", False),
        ("vp09.02.50.10", b"\x92\x49\x83\x42", True),
        ("vp09.02.50.10", b"\x96\x00", False),
        ("av01.0.08M.10", obu(2) + obu(1, b"\x00\x00") + obu(6, b"\x10"), True),
        ("av01.0.08M.10", obu(2) + obu(6, b"\x30"), False),
    ],
)
def test_only_pictures_that_need_none_before_are_starts(codec, sample, starts):
    assert is_random_access(codec, sample) is starts


def test_an_unknown_codec_is_no_guess():
    with pytest.raises(ValueError, match="prores"):
        is_random_access("prores", b"\x00\x00\x00\x01\x00")
