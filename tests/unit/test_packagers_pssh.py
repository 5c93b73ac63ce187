import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packagers.pssh import COMMON_SYSTEM, WIDEVINE, Pssh, common_pssh, parse_pssh, widevine_pssh
from telecine.errors import PackageRejected

KIDS = st.lists(st.binary(min_size=16, max_size=16).map(bytes.hex), max_size=9)


def test_a_common_box_is_the_one_of_the_w3c_example():
    """W3C "cenc" Initialization Data Format, the example of the common SystemID: two KIDs, no data."""
    kids = ["30313233343536373839303132333435", "41424344454647484940414243444546"]
    expected = bytes.fromhex("00000044 70737368 01000000 1077efecc0b24d02ace33c1e52e2fb4b 00000002") + bytes.fromhex(
        "".join(kids) + "00000000"
    )
    assert common_pssh(kids) == expected


@given(KIDS)
def test_a_common_box_reads_back_as_its_kids_in_order_each_once(kids):
    assert parse_pssh(common_pssh(kids)) == Pssh(COMMON_SYSTEM, tuple(sorted(set(kids))), b"")


def test_a_widevine_box_is_the_one_the_packager_writes():
    expected = base64.b64decode(
        "AAAAXHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAADwSEKqqqqqqqqqqqqqqqqqqqqoSELu7u7u7u7u7u7u7u7u7u7sSEMzMzMzMzMzMzMzMzMzM"
        "zMxI88aJmwY="
    )
    assert widevine_pssh(["c" * 32, "a" * 32, "b" * 32, "a" * 32], "cbcs") == expected


def test_a_box_of_version_0_has_a_payload_and_no_kids():
    box = base64.b64decode(
        "AAAAXHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAADwSEKqqqqqqqqqqqqqqqqqqqqoSEMzMzMzMzMzMzMzMzMzMzMwSELu7u7u7u7u7u7u7u7u7"
        "u7tI88aJmwY="
    )
    found = parse_pssh(box)
    assert (found.system, found.kids, len(found.payload)) == (WIDEVINE, (), 0x3C)


@pytest.mark.parametrize("cut", [1, 8, 20, 33, 40])
def test_a_cut_box_is_rejected(cut):
    with pytest.raises(PackageRejected):
        parse_pssh(common_pssh(["ab" * 16])[:-cut])


@given(st.binary(max_size=80))
def test_anything_else_is_rejected_or_read_but_never_breaks(rest):
    whole = (len(rest) + 8).to_bytes(4) + b"pssh" + rest
    with suppress(PackageRejected):
        assert len(parse_pssh(whole).system) == 36
