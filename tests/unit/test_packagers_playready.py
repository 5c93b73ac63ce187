"""PlayReady headers against bytes of Shaka Packager and against what Microsoft's specification says of them."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from packagers.playready import playready_kids, playready_object
from packagers.pssh import PLAYREADY, kids_of, parse_pssh, playready_pssh
from telecine.errors import PackageRejected

KID = "00112233445566778899aabbccddeeff"
KIDS = st.lists(st.binary(min_size=16, max_size=16).map(bytes.hex), min_size=1, max_size=9)
NAMESPACE = "{http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader}"


def header(held: bytes):
    """The one record as the specification lays it out: sizes little-endian, UTF-16, no byte order mark."""
    assert int.from_bytes(held[:4], "little") == len(held)
    assert (held[4:6], held[6:8]) == (b"\1\0", b"\1\0")
    assert int.from_bytes(held[8:10], "little") == len(held) - 10
    return etree.fromstring(held[10:].decode("utf-16-le"))


@pytest.mark.parametrize(
    ("scheme", "version", "algorithm"), [("cenc", "4.2.0.0", "AESCTR"), ("cbcs", "4.3.0.0", "AESCBC")]
)
def test_a_header_names_its_version_and_algorithm_by_the_scheme(scheme, version, algorithm):
    root = header(playready_object([KID], scheme))
    assert (root.tag, root.get("version")) == (f"{NAMESPACE}WRMHEADER", version)
    assert [found.get("ALGID") for found in root.iter(f"{NAMESPACE}KID")] == [algorithm]


def test_a_kid_is_written_in_the_byte_order_of_a_guid():
    """The first three fields are little-endian there."""
    value = next(header(playready_object([KID], "cenc")).iter(f"{NAMESPACE}KID")).get("VALUE")
    assert base64.b64decode(value).hex() == "33221100554477668899aabbccddeeff"


def test_addresses_and_custom_attributes_come_in_the_order_of_the_schema_and_are_escaped():
    asked = ("https://pr.example/?a=1&b=<2>", "https://shop.example/")
    root = header(playready_object([KID], "cbcs", *asked, attributes={"Studio": "A & B"}))
    told = list(root[0])
    assert [etree.QName(one).localname for one in told] == ["PROTECTINFO", "LA_URL", "LUI_URL", "CUSTOMATTRIBUTES"]
    assert (told[1].text, told[2].text, told[3][0].text) == (*asked, "A & B")


@given(KIDS, st.sampled_from(["cenc", "cbcs"]))
def test_a_box_reads_back_as_its_kids_in_order_each_once(kids, scheme):
    box = parse_pssh(playready_pssh(playready_object(kids, scheme)))
    assert (box.system, kids_of(box)) == (PLAYREADY, tuple(sorted(set(kids))))


@pytest.mark.parametrize("attributes", [{"two words": "x"}, {"1st": "x"}, {"<a>": "x"}, {"note": "\0"}])
def test_attributes_that_xml_cannot_hold_are_refused(attributes):
    with pytest.raises(PackageRejected, match="custom attributes"):
        playready_object([KID], "cbcs", attributes=attributes)


def test_a_header_too_long_for_a_record_is_refused():
    with pytest.raises(PackageRejected, match="65535 bytes"):
        playready_object([KID], "cbcs", "https://pr.example/" + "x" * 40_000)


@given(st.binary(max_size=200))
def test_anything_else_is_refused_and_never_breaks(held):
    with suppress(PackageRejected):
        playready_kids(held)


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_cut_object_is_refused(cut):
    with pytest.raises(PackageRejected, match="PlayReady Object was expected"):
        playready_kids(playready_object([KID], "cbcs")[:-cut])
