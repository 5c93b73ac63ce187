from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packagers.plan import PackageRequest, further_plans, plan_package
from profiles.models import PackagingProfile
from telecine.document import digest_of
from telecine.errors import PackageRejected
from telecine.media import FrameRate
from telecine.protection import KeyAssignment
from telecine.rendition import Quality, Rendition, RenditionSet

KIDS = {"AUDIO": "a" * 32, "SD": "b" * 32, "HD": "c" * 32}


def rendition(name, **facts) -> Rendition:
    shared = {
        "kind": "video", "codec": "avc1.64001f", "label": "HD", "key": f"renditions/{name}.mp4", "width": 1280,
        "height": 720, "frames": 480, "sha256": digest_of(name), "size_bytes": 1, "duration": 20, "average_bps": 1,
        "peak_bps": 1,
    }  # fmt: skip
    return Rendition(**{**shared, "name": name, **facts})


def sound(name, channels, **facts) -> Rendition:
    silent = {"width": None, "height": None, "frames": None}
    coding = {"kind": "audio", "codec": "mp4a.40.2", "label": "AUDIO", "channels": channels}
    return rendition(name, **silent, **{**coding, **facts})


FULL = (
    rendition("1080p", width=1920, height=1080),
    rendition("720p"),
    rendition("480p", label="SD", width=854, height=480),
    sound("surround", 6),
    sound("stereo", 2),
)


def request(*renditions, rate="24", gop=48, segment=144, **changes) -> PackageRequest:
    made = RenditionSet(
        plan_digest="0" * 64,
        frames=480,
        frame_rate=FrameRate.of(Fraction(rate)),
        gop_frames=gop,
        segment_frames=segment,
        renditions=renditions,
    )
    fields = {
        "title_id": "film",
        "renditions": made,
        "profile": PackagingProfile(),
        "keys": KeyAssignment(title_id="film", kids=KIDS),
        "licence_url": "https://play.example/v1/licenses/clearkey",
    }
    return PackageRequest(**{**fields, **changes})


def test_pictures_come_from_small_to_large_then_sound_from_few_channels_to_many():
    plan = plan_package(request(*FULL), "v1")
    assert [stream.name for stream in plan.streams] == ["480p", "720p", "1080p", "stereo", "surround"]


def test_a_version_is_v_and_16_hexadecimal_digits():
    version = plan_package(request(*FULL), "v1").version
    assert (version[0], len(version)) == ("v", 17)
    assert int(version[1:], 16) >= 0


def test_equal_requests_give_equal_versions_whatever_was_measured():
    measured = Quality(model="m", mean=90, harmonic_mean=90, percentile_1=80, percentile_5=80, frames_measured=9)
    again = (FULL[0].model_copy(update={"quality": measured}), *FULL[1:])
    assert plan_package(request(*FULL), "v1").version == plan_package(request(*again), "v1").version


@pytest.mark.parametrize(
    "other",
    [
        request(*FULL, licence_url="https://other.example/"),
        request(*FULL, profile=PackagingProfile(scheme="cenc")),
        request(*FULL, profile=PackagingProfile(clear_lead_s=6)),
        request(*FULL, keys=KeyAssignment(title_id="film", kids={**KIDS, "SD": "d" * 32})),
        request(*FULL, segment=96),
        request(*FULL, rate="25"),
        request(FULL[0].model_copy(update={"sha256": digest_of("other")}), *FULL[1:]),
        request(*FULL[:-1], sound("stereo", 2, language="eng")),
        request(*FULL[:-1]),
    ],
)
def test_whatever_shapes_the_bytes_changes_the_version(other):
    assert plan_package(other, "v1").version != plan_package(request(*FULL), "v1").version


def test_another_packager_is_another_version():
    assert plan_package(request(*FULL), "v1").version != plan_package(request(*FULL), "v2").version


def test_only_the_keys_in_use_belong_to_a_package():
    assert set(plan_package(request(FULL[2]), "v1").keys.kids) == {"SD"}


@given(
    rate=st.sampled_from(["24", "25", "30", "50", "60", "24000/1001", "30000/1001", "60000/1001", "25/3", "12"]),
    gop=st.integers(1, 120),
    gops=st.integers(1, 60),
)
def test_the_duration_of_a_segment_never_exceeds_the_exact_one_nor_drifts_to_another_frame(rate, gop, gops):
    plan = plan_package(request(*FULL, rate=rate, gop=gop, segment=gop * gops), "v1")
    exact = Fraction(gop * gops) / Fraction(rate)
    segments_in_a_day = 86_400 / exact
    assert 0 <= (exact - Fraction(plan.segment_duration)) * segments_in_a_day < 1 / Fraction(rate)


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (request(sound("stereo", 2)), "needs at least one video rendition"),
        (request(), "needs at least one rendition"),
        (request(FULL[1], rendition("720p")), "Two renditions are called '720p'"),
        (request(rendition("720p,drm_label=")), "is called '720p,drm_label='"),
        (request(rendition("../720p")), "is called '../720p'"),
        (request(rendition("uhd", label="UHD1")), "no key for label UHD1"),
        (request(rendition("720p", frames=479)), "'720p' has 479 frames"),
        (request(rendition("720p", width=None)), "'720p' has no width"),
        (request(rendition("720p", frame_rate=FrameRate(numerator=25, denominator=1))), "'720p' has 25/1"),
        (request(FULL[1], segment=100), "100 frames are not a multiple of 48"),
        (request(FULL[1], segment=0), "0 frames are not"),
        (request(FULL[1], sound("stereo", None)), "'stereo' has no channel count"),
        (request(FULL[1], sound("one", 2), sound("two", 2)), "could not tell them apart"),
        (request(FULL[1], sound("stereo", 2, language="english,in=/etc/passwd")), "no language tag"),
        (request(FULL[1], licence_url=""), "no licence URL"),
        (request(FULL[1], keys=KeyAssignment(title_id="other", kids=KIDS)), "keys are of title other"),
    ],
)
def test_what_cannot_become_a_package_is_refused_with_a_sentence(refused, said):
    with pytest.raises(PackageRejected, match=said):
        plan_package(refused, "v1")


def test_all_reasons_are_told_at_once():
    with pytest.raises(PackageRejected) as caught:
        plan_package(request(sound("Stereo", 2), licence_url="", segment=1), "v1")
    assert len(caught.value.reasons) == 4


FURTHER = KeyAssignment(title_id="film", kids={"AUDIO": "1" * 32, "SD": "2" * 32, "HD": "3" * 32})


def test_both_schemes_are_two_plans_of_one_version():
    asked = request(*FULL, profile=PackagingProfile(scheme="both"), further_keys=FURTHER)
    plan = plan_package(asked, "v1")
    (second,) = further_plans(plan)
    assert (plan.scheme, plan.folder, plan.keys.kids, plan.systems[-1]) == ("cbcs", "", KIDS, "fairplay")
    assert (second.scheme, second.folder, second.keys.kids) == ("cenc", "cenc/", FURTHER.kids)
    assert "fairplay" not in second.systems
    assert (second.version, second.prefix, second.streams) == (plan.version, plan.prefix, plan.streams)
    rekeyed = asked.model_copy(
        update={"further_keys": KeyAssignment(title_id="film", kids={**FURTHER.kids, "HD": "4" * 32})}
    )
    assert plan_package(rekeyed, "v1").version != plan.version
    assert further_plans(plan_package(request(*FULL), "v1")) == ()


@pytest.mark.parametrize(
    ("further", "told"),
    [
        (None, "no key of the second set for label HD"),
        ({**FURTHER.kids, "SD": KIDS["SD"]}, f"KID {KIDS['SD']} is of both sets"),
    ],
)
def test_the_second_set_has_keys_of_its_own(further, told):
    keys = KeyAssignment(title_id="film", kids=further) if further else None
    with pytest.raises(PackageRejected, match=told):
        plan_package(request(*FULL, profile=PackagingProfile(scheme="both"), further_keys=keys), "v1")


def test_both_schemes_need_a_system_for_each():
    with pytest.raises(ValueError, match="FairPlay opens scheme cbcs only"):
        PackagingProfile(scheme="both", drm=("fairplay",))
