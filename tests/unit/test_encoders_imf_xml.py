"""The XML of packages: what is read, and the one sentence for what cannot be followed."""

from fractions import Fraction

import pytest

from encoders.conform_command import listing
from encoders.imf import Resource, VirtualTrack, read_asset_map, read_composition, read_packing_list
from telecine.errors import SourceRejected


def resource(extra="", intrinsic=100):
    return (
        f"<Resource><IntrinsicDuration>{intrinsic}</IntrinsicDuration><TrackFileId>urn:uuid:a</TrackFileId>{extra}"
        "</Resource>"
    )


def sequence(kind="MainImageSequence", track="urn:t1", resources=None):
    return f"<{kind}><TrackId>{track}</TrackId><ResourceList>{resources or resource()}</ResourceList></{kind}>"


def a_cpl(*segments, rate="24 1", before=""):
    spelled = "".join(f"<Segment><SequenceList>{segment}</SequenceList></Segment>" for segment in segments)
    head = f'<CompositionPlaylist xmlns="urn:x"><Id>urn:cpl</Id><EditRate>{rate}</EditRate>'
    return f"{before}{head}<SegmentList>{spelled}</SegmentList></CompositionPlaylist>".encode()


def refusal(read, content):
    with pytest.raises(SourceRejected) as caught:
        read(content, "x.xml")
    assert str(caught.value).startswith("The IMF master x.xml cannot be used: ")
    return str(caught.value)


def test_what_a_resource_does_not_say_is_the_rest_of_its_file_once_at_the_composition_rate():
    image = read_composition(a_cpl(sequence(resources=resource("<EntryPoint>10</EntryPoint>"))), "x").image
    (found,) = image.resources
    assert (found.entry, found.duration, found.repeat, found.edit_rate) == (10, 90, 1, 24)


def test_tracks_go_on_through_segments_and_sound_keeps_its_own_rate():
    sound = sequence("MainAudioSequence", "urn:t2", resource("<EditRate>48000 1</EditRate>", intrinsic=200_000))
    found = read_composition(a_cpl(sequence() + sound, sequence() + sound), "x")
    assert found.image.seconds == Fraction(200, 24)
    assert [(track.id, len(track.resources)) for track in found.audio] == [("urn:t2", 2)]
    assert found.audio[0].seconds == Fraction(400_000, 48_000)


def test_what_is_neither_picture_nor_sound_is_named():
    found = read_composition(a_cpl(sequence() + sequence("SubtitlesSequence", "urn:t3") + "<MarkerSequence/>"), "x")
    assert found.ignored == ("Subtitles", "Marker")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<CompositionPlaylist", "not valid XML"),
        (b"<AssetMap/>", "it is a AssetMap and no CompositionPlaylist"),
        (a_cpl(sequence("MainAudioSequence")), "has 0 picture tracks"),
        (a_cpl(sequence() + sequence(track="urn:t2")), "has 2 picture tracks"),
        (a_cpl(sequence(), rate="24"), "EditRate is '24'"),
        (a_cpl(sequence(resources=resource("<EditRate>25 1</EditRate>"))), "runs at 25 frames a second"),
        (a_cpl(sequence(resources=resource("<KeyId>k</KeyId>"))), "encrypted"),
        (a_cpl(sequence(resources=resource("<EntryPoint>100</EntryPoint>"))), "edit units 100 to 100 of 100"),
        (a_cpl(sequence(resources=resource("<RepeatCount>0</RepeatCount>"))), "0 times"),
        (a_cpl(sequence(resources=resource("<RepeatCount>x</RepeatCount>"))), "RepeatCount is 'x'"),
        (
            a_cpl(sequence() + sequence("MainAudioSequence", "urn:t2", resource(intrinsic=90))),
            "tracks of one segment last 3.750 s and 4.167 s",
        ),
        (a_cpl(sequence() + sequence("MainAudioSequence", "urn:t2"), sequence()), "is not in every segment"),
    ],
)
def test_a_composition_that_cannot_be_followed_is_refused(content, said):
    assert said in refusal(read_composition, content)


def test_entities_are_never_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("MainImage")
    declared = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    assert "declares a document type" in refusal(read_composition, a_cpl("&e;", before=declared))


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/a.mxf", "http://x/a.mxf"])
def test_an_asset_outside_the_package_is_refused(path):
    chunk = f"<ChunkList><Chunk><Path>{path}</Path></Chunk></ChunkList>"
    content = f"<AssetMap><AssetList><Asset><Id>i</Id>{chunk}</Asset></AssetList></AssetMap>".encode()
    assert "outside its own folder" in refusal(read_asset_map, content)


def test_an_asset_in_several_chunks_is_refused():
    chunks = "<Chunk><Path>a</Path></Chunk>" * 2
    content = f"<AssetMap><Asset><Id>i</Id><ChunkList>{chunks}</ChunkList></Asset></AssetMap>".encode()
    assert "split into 2 chunks" in refusal(read_asset_map, content)


def test_packing_lists_hash_by_what_they_name_and_by_sha1_otherwise():
    def listed(method):
        asset = f"<Asset><Id>i</Id><Hash>h</Hash><Size>5</Size>{method}</Asset>"
        return f"<PackingList><AssetList>{asset}</AssetList></PackingList>".encode()

    sha256 = '<HashAlgorithm Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
    assert read_packing_list(listed(""), "x")["i"].algorithm == "sha1"
    assert read_packing_list(listed(sha256), "x")["i"].algorithm == "sha256"
    assert "hashes by md5" in refusal(read_packing_list, listed('<HashAlgorithm Algorithm="md5"/>'))


def test_cuts_are_listed_a_quarter_of_a_frame_off_and_as_often_as_asked():
    piece = Resource(track_file="a", edit_rate=Fraction(24), entry=6, duration=12, repeat=2)
    whole = Resource(track_file="b", edit_rate=Fraction(24), entry=0, duration=24)
    track = VirtualTrack(id="t", kind="image", resources=(piece, whole))
    once = ["file 0.mxf", "inpoint 0.260417", "outpoint 0.739583"]
    expected = ["ffconcat version 1.0", *once, *once, "file 1.mxf", "outpoint 0.989583"]
    assert listing(track, {"a": "0.mxf", "b": "1.mxf"}).splitlines() == expected
