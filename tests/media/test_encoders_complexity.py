"""The analysis of a title with the real encoders, and shots that really get the quality they were given."""

import subprocess
from pathlib import Path

import pytest

from encoders.complexity.analyse import Bench, analyse
from encoders.complexity.hull import fitted
from encoders.documents import ShotCrf
from encoders.plan import plan_encode
from encoders.probe import inspect_master
from encoders.source import register_master
from encoders.verify import read_samples
from encoders.work import encode, toolchain
from profiles.models import AudioRung, Profile, VideoRung
from profiles.per_title import PerTitle
from profiles.select import choose_ladder
from telecine.errors import EncodeFailed
from telecine.storage.local import LocalStore
from telecine.tools import tool_path

pytestmark = pytest.mark.media


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    """Two seconds of an easy shot, two of a hard one, two of another easy one, at 320x180."""
    path = tmp_path_factory.mktemp("masters") / "shots.mp4"
    easy = "gradients=s=320x180:r=24:d=2:speed=0.01:c0=red:c1=navy:n=2,format=yuv420p"
    hard = "testsrc2=s=320x180:r=24:d=2,noise=alls=40:allf=t,format=yuv420p"
    calm = "color=c=gray:s=320x180:r=24:d=2,drawgrid=w=40:h=40:t=2:c=white,format=yuv420p"
    inputs = [part for graph in (easy, hard, calm) for part in ("-f", "lavfi", "-i", graph)]
    command = [
        *(tool_path("ffmpeg"), "-v", "error", "-y", *inputs, "-filter_complex", "[0][1][2]concat=n=3[v]"),
        *("-map", "[v]", "-c:v", "libx264", "-preset", "veryfast", "-crf", "8", str(path)),
    ]
    subprocess.run(command, check=True)
    return path


def a_profile(codec="x264", mode="shot"):
    sizes = {"big": (320, 180, 22), "small": (160, 90, 23)}
    rungs = tuple(
        VideoRung(name=name, codec=codec, width=w, height=h, crf=crf, max_bps=1_500_000, preset="ultrafast")
        for name, (w, h, crf) in sizes.items()
    )
    sound = (AudioRung(name="stereo", channels=2, bitrate_bps=64_000),)
    asked = PerTitle(mode=mode, lines=(180, 120, 90), sample=0.4)
    return Profile(name="p", summary="tests", gop_seconds=1, segment_gops=1, video=rungs, audio=sound, per_title=asked)


def inspected(path, folder):
    return inspect_master(register_master(str(path), folder / "work"), path)


def analysed(path, folder, profile):
    probe, store = inspected(path, folder), LocalStore(folder / "store")
    ladder = choose_ladder(profile, probe)
    bench = Bench(path, store, folder / "work", at_once=2, toolchain=toolchain())
    return probe, ladder, analyse(probe, ladder, profile.per_title, bench), bench


@pytest.mark.parametrize("codec", ["x264", "x265"])
def test_a_title_is_analysed_encoded_as_decided_and_looked_up_the_second_time(codec, master, tmp_path):
    probe, ladder, report, bench = analysed(master, tmp_path, a_profile(codec))
    assert [(shot.start, shot.end) for shot in report.shots] == [(0, 48), (48, 96), (96, 144)]
    assert report.shots[1].bits_per_frame > 5 * report.shots[0].bits_per_frame
    assert [choice.fixed.name for choice in report.choices] == ["big", "small"]
    assert report.cpu_s > 0
    for choice in report.choices:
        assert choice.chosen_bps <= choice.fixed_bps
        assert choice.chosen.max_bps == choice.fixed.max_bps
    again = analyse(probe, ladder, a_profile(codec).per_title, bench)
    assert again == report, "found in the store"
    own, shots = fitted(ladder, report)
    plan = plan_encode(probe, own, chunk_seconds=4, threads=1, toolchain=toolchain(), shots=shots)
    for job in plan.jobs:
        assert encode(job, master, bench.store, tmp_path / "work").encoded
    assert not list((tmp_path / "work").glob("encode-*")), "nothing is left behind"


def test_pictures_a_profile_can_bear_to_lose_do_not_stop_the_analysis(master, tmp_path):
    """The last pictures are cut to pieces: they cannot be decoded, and the last good one is held in their place."""
    probe = inspected(master, tmp_path)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(master.read_bytes())
    lost = read_samples(master)
    with broken.open("r+b") as file:
        for place, size in list(zip(lost.places, lost.sizes, strict=True))[-6:]:
            file.seek(place)
            file.write(b"\xff" * size)
    profile = a_profile()
    ladder = choose_ladder(profile, probe)
    bench = Bench(broken, LocalStore(tmp_path / "store"), tmp_path / "work", at_once=2, toolchain=toolchain())
    with pytest.raises(EncodeFailed, match="wrote"):
        analyse(probe, ladder, profile.per_title.model_copy(update={"sample": 1.0}), bench)
    bearing = ladder.model_copy(update={"damage_allowed": True})
    assert analyse(probe, bearing, profile.per_title.model_copy(update={"sample": 1.0}), bench) is not None


def test_a_policy_that_is_off_costs_nothing(master, tmp_path):
    profile = a_profile().model_copy(update={"per_title": PerTitle()})
    *_, report, bench = analysed(master, tmp_path, profile)
    assert report is None
    assert not list(bench.store.list("analyses/"))


@pytest.mark.parametrize("codec", ["x264", "x265"])
def test_a_shot_with_a_higher_crf_gets_fewer_bits_and_the_one_before_keeps_its(codec, master, tmp_path):
    probe = inspected(master, tmp_path)
    rung = VideoRung(name="big", codec=codec, width=320, height=180, crf=22, max_bps=20_000_000, preset="ultrafast")
    ladder = choose_ladder(a_profile(codec).model_copy(update={"video": (rung,)}), probe)
    store, bits = LocalStore(tmp_path / "store"), {}
    for name, shots in {"even": {}, "told": {"big": (ShotCrf(start=48, end=96, crf=28),)}}.items():
        plan = plan_encode(probe, ladder, chunk_seconds=60, threads=1, toolchain=toolchain(), shots=shots)
        (job,) = plan.jobs
        (made,) = encode(job, master, store, tmp_path / "work").outputs
        path = Path(tmp_path / f"{name}.mp4")
        store.get_file(made.key, path)
        samples = read_samples(path)
        sizes = [size for _, size in sorted(zip(samples.pts, samples.sizes, strict=True))]
        bits[name] = [sum(sizes[at : at + 48]) for at in (0, 48, 96)]
    before, after = bits["even"], bits["told"]
    assert after[1] < 0.8 * before[1], "six steps of CRF are about half the bits"
    assert abs(after[0] - before[0]) <= 0.05 * before[0]
