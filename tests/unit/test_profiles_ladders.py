"""Profiles from files, and the ladder of one master."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.load import known_profiles, load_profile
from profiles.models import Profile, VideoRung
from profiles.select import centre_of_shape, choose_ladder, display_size, label_of
from telecine.errors import SourceRejected, TelecineError
from telecine.media import AudioTrack, Colour, FrameRate, Master, Probe, VideoTrack

STANDARD = load_profile("standard")


def probe_of(width, height, *, channels=(2,), rate="24", **video):
    track = VideoTrack(
        index=0, codec="h264", width=width, height=height, pixel_format="yuv420p", bit_depth=8,
        frame_rate=FrameRate.of(Fraction(rate)), start=0, duration=10, packets=240, **video,
    )  # fmt: skip
    audio = tuple(
        AudioTrack(
            index=n + 1,
            codec="aac",
            channels=count,
            layout="any",
            sample_rate_hz=48_000,
            start=Fraction(0),
            duration=10,
        )
        for n, count in enumerate(channels)
    )
    master = Master(uri="file:///a.mp4", size_bytes=1, sha256="0" * 64)
    return Probe(master=master, container="mov", duration=10, video=(track,), audio=audio)


def sizes(*args, **kwargs):
    return [(rung.width, rung.height) for rung in choose_ladder(STANDARD, probe_of(*args, **kwargs)).video]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((3840, 2160), [(1920, 1080), (1280, 720), (854, 480)]),
        ((1920, 800), [(1920, 800), (1280, 534), (854, 356)]),
        ((1280, 720), [(1280, 720), (854, 480)]),
        ((960, 540), [(960, 540), (854, 480)]),
        ((640, 360), [(640, 360)]),
        ((321, 181), [(320, 180)]),
        ((1080, 1920), [(608, 1080), (404, 720), (270, 480)]),
    ],
)
def test_rungs_fit_the_source_and_none_is_made_twice(source, expected):
    assert sizes(*source) == expected


def test_shape_is_kept_for_tall_samples_and_turned_pictures():
    assert sizes(1440, 1080, sample_aspect="4/3")[0] == (1920, 1080)
    assert sizes(720, 576, sample_aspect="64/45") == [(1024, 576), (854, 480)]
    assert sizes(1920, 1080, rotation=90)[0] == (608, 1080)


@given(
    st.integers(2, 5000), st.integers(2, 5000), st.sampled_from(["1", "4/3", "8/9", "64/45"]), st.sampled_from([0, 90])
)
def test_ladder_never_upscales_and_every_size_is_even(width, height, aspect, rotation):
    probe = probe_of(width, height, sample_aspect=aspect, rotation=rotation)
    shown = display_size(probe.video[0])
    rungs = choose_ladder(STANDARD, probe).video
    assert rungs
    assert len({(rung.width, rung.height) for rung in rungs}) == len(rungs)
    for rung in rungs:
        assert rung.width % 2 == rung.height % 2 == 0
        assert rung.width <= max(2, shown[0])
        assert rung.height <= max(2, shown[1])


def test_a_small_source_takes_the_cheapest_rung():
    rungs = choose_ladder(STANDARD, probe_of(640, 360)).video
    assert [(rung.name, rung.max_bps) for rung in rungs] == [("480p", 1_000_000)]


def test_labels_follow_output_lines():
    labels = {rung.height: rung.label for rung in choose_ladder(STANDARD, probe_of(1920, 1080)).video}
    assert labels == {1080: "HD", 720: "HD", 480: "SD"}
    assert choose_ladder(STANDARD, probe_of(1024, 576)).video[0].label == "SD"


def test_a_profile_can_map_its_rungs_to_other_labels():
    own = [rung.model_copy(update={"label": "PREMIUM"}) if rung.name == "1080p" else rung for rung in STANDARD.video]
    audio = [rung.model_copy(update={"label": "SOUND"}) for rung in STANDARD.audio]
    profile = STANDARD.model_copy(update={"video": tuple(own), "audio": tuple(audio)})
    ladder = choose_ladder(profile, probe_of(1920, 1080))
    assert {rung.height: rung.label for rung in ladder.video} == {1080: "PREMIUM", 720: "HD", 480: "SD"}
    assert {rung.label for rung in ladder.audio} == {"SOUND"}


@pytest.mark.parametrize(
    ("size", "hdr", "label"),
    [
        ((1024, 576), False, "SD"),
        ((1024, 578), False, "HD"),
        ((1920, 1080), True, "HD"),
        ((1922, 1082), False, "UHD"),
        ((3840, 2160), True, "UHD_HDR"),
        ((608, 1080), False, "HD"),
        ((406, 720), False, "SD"),
    ],
)
def test_labels_change_above_576_and_1080_lines(size, hdr, label):
    assert label_of(*size, hdr=hdr) == label


@pytest.mark.parametrize(
    ("channels", "expected"),
    [((6,), ["stereo", "surround"]), ((2,), ["stereo"]), ((1, 6), ["stereo", "surround"]), ((), [])],
)
def test_sound_is_made_where_any_track_has_the_channels(channels, expected):
    ladder = choose_ladder(STANDARD, probe_of(640, 360, channels=channels))
    assert [rung.name for rung in ladder.audio] == expected


@pytest.mark.parametrize(
    ("rate", "interlaced", "gop"),
    [("24000/1001", False, 48), ("30000/1001", False, 60), ("25", True, 100), ("24", False, 48)],
)
def test_gops_are_counted_in_whole_output_frames(rate, interlaced, gop):
    ladder = choose_ladder(STANDARD, probe_of(640, 360, rate=rate, interlaced=interlaced))
    assert (ladder.gop_frames, ladder.segment_frames) == (gop, 3 * gop)


def test_no_picture_no_ladder():
    with pytest.raises(SourceRejected, match="no video track"):
        choose_ladder(STANDARD, probe_of(640, 360).model_copy(update={"video": ()}))


def test_the_standard_profile_is_what_was_asked_for():
    assert [(r.name, r.width, r.height, r.max_bps) for r in STANDARD.video] == [
        ("1080p", 1920, 1080, 5_000_000),
        ("720p", 1280, 720, 2_500_000),
        ("480p", 854, 480, 1_000_000),
    ]
    assert [(r.channels, r.bitrate_bps, r.min_source_channels) for r in STANDARD.audio] == [
        (2, 192_000, 1),
        (6, 384_000, 6),
    ]


def test_an_own_folder_comes_first_and_unknown_names_list_what_there_is(tmp_path):
    text = "name: mobile\nsummary: small\nvideo: [{name: s, width: 320, height: 180, crf: 30, max_bps: 1}]\naudio: []\n"
    (tmp_path / "mobile.yaml").write_text(text)
    assert load_profile("mobile", tmp_path).video[0].width == 320
    ours = {"audio-only", "netflix", "netflix-av1", "netflix-gpu", "netflix-per-title", "proxy", "social-vertical"}
    assert {"mobile", *ours} <= set(known_profiles(tmp_path))
    with pytest.raises(TelecineError, match=r"no profile 'cinema'; known are: .*mobile, netflix, "):
        load_profile("cinema", tmp_path)
    with pytest.raises(TelecineError, match="no profile"):
        load_profile("../catalogue/standard")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "name: bad\nsummary: s\nvideo: [{name: s, width: 0, height: 180, crf: 30, max_bps: 1}]\naudio: []\n",
            "video.0.width",
        ),
        ("name: bad\nsummary: s\nvideos: []\nvideo: []\naudio: []\n", "videos"),
        ("name: [bad\n", "not valid YAML"),
        ("name: other\nsummary: s\nvideo: []\naudio: []\n", "'bad' was expected"),
        ("", "mistakes"),
    ],
)
def test_mistakes_in_a_profile_name_file_and_field(text, fault, tmp_path):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(TelecineError) as refused:
        load_profile("bad", tmp_path)
    assert "bad.yaml" in str(refused.value)
    assert fault in str(refused.value)


PQ = {"colour": Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="tv")}


def test_uhd_rungs_keep_the_range_of_an_hdr_master_and_all_others_are_sdr():
    rungs = choose_ladder(load_profile("netflix"), probe_of(3840, 2160, **PQ)).video
    assert [(r.name, r.width, r.dynamic_range, r.label) for r in rungs] == [
        ("2160p-hevc", 3840, "source", "UHD_HDR"),
        ("2160p-vp9", 3840, "source", "UHD_HDR"),
        ("1080p-hevc", 1920, "sdr", "HD"),
        ("1080p", 1920, "sdr", "HD"),
        ("720p", 1280, "sdr", "HD"),
        ("480p", 854, "sdr", "SD"),
    ]


def test_an_sdr_master_of_uhd_gives_sdr_rungs_under_their_own_label():
    rungs = choose_ladder(load_profile("netflix"), probe_of(3840, 2160)).video
    assert [(r.dynamic_range, r.label) for r in rungs[:2]] == [("sdr", "UHD")] * 2


def test_uhd_rungs_are_not_made_of_smaller_masters():
    rungs = choose_ladder(load_profile("netflix"), probe_of(1920, 1080)).video
    assert [rung.name for rung in rungs] == ["1080p-hevc", "1080p", "720p", "480p"]


def test_a_profile_of_uhd_alone_still_serves_a_small_master():
    profile = load_profile("netflix")
    only = profile.model_copy(update={"video": profile.video[:1]})
    assert [(r.width, r.height) for r in choose_ladder(only, probe_of(640, 360)).video] == [(640, 360)]


def test_hdr_in_eight_bits_is_refused_with_the_rung_named():
    with pytest.raises(ValueError, match="rung 'x': x264 rungs are 8-bit SDR"):
        VideoRung(name="x", width=320, height=180, crf=20, max_bps=1, dynamic_range="source")


@pytest.mark.parametrize(
    ("source", "inside", "cover"),
    [
        ((3840, 2160), [(1080, 608), (720, 404)], [(1080, 1920), (720, 1280)]),
        ((1920, 1080), [(1080, 608), (720, 404)], [(608, 1080)]),
        ((1080, 1920), [(1080, 1920), (720, 1280)], [(1080, 1920), (720, 1280)]),
        ((640, 360), [(640, 360)], [(202, 360)]),
    ],
)
def test_an_upright_box_holds_the_whole_picture_or_is_filled_by_its_middle(source, inside, cover):
    profile = load_profile("social-vertical")
    filled = profile.model_copy(update={"video": tuple(r.model_copy(update={"fit": "cover"}) for r in profile.video)})
    for asked, expected in ((profile, inside), (filled, cover)):
        rungs = choose_ladder(asked, probe_of(*source)).video
        assert [(rung.width, rung.height) for rung in rungs] == expected


def test_the_middle_that_covers_a_box_is_counted_in_upright_samples():
    wide = probe_of(720, 576, sample_aspect="64/45").video[0]
    assert centre_of_shape(wide, (1080, 1920)) == (228, 576)  # 324 display pixels of 1024, in samples of 64:45
    turned = probe_of(1920, 1080, rotation=90).video[0]
    assert centre_of_shape(turned, (540, 960)) == (1080, 1920)


def test_rungs_of_one_profile_show_one_picture():
    data = load_profile("social-vertical").model_dump()
    data["video"][0]["fit"] = "cover"
    with pytest.raises(ValueError, match="all must show the same picture"):
        Profile.model_validate(data)
