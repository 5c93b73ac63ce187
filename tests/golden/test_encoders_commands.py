"""Argument lists as text files, one argument a line. TELECINE_UPDATE_GOLDEN=1 writes them; read the diff."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

from encoders.command import audio_command, join_command, loudness_command, quality_command, video_command
from encoders.examination import examine_command
from encoders.graph import Span
from encoders.hdr10plus import frames_command
from encoders.plan import plan_encode
from encoders.routing import on_cpu
from encoders.windows import window_command
from profiles.load import load_profile
from profiles.select import choose_ladder
from profiles.source_checks import SourceChecks
from telecine.media import (
    AudioTrack,
    Colour,
    ContentLight,
    Crop,
    FrameRate,
    Master,
    MasteringDisplay,
    Probe,
    VideoTrack,
)

EXPECTED = Path(__file__).parent / "encoders"
SOURCE = Path("/masters/a film.mov")


def matches(name, command):
    path, text = EXPECTED / f"{name}.txt", "\n".join(command) + "\n"
    if os.environ.get("TELECINE_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return text == path.read_text()


def a_plan(rate="24", start="0", profile="standard", **video):
    track = VideoTrack(**{
        "index": 0, "codec": "h264", "width": 1920, "height": 1080, "pixel_format": "yuv420p", "bit_depth": 8,
        "frame_rate": FrameRate.of(Fraction(rate)), "start": start, "duration": 60, "packets": 1440, **video,
    })  # fmt: skip
    sound = AudioTrack(
        index=1, codec="ac3", channels=6, layout="5.1(side)", sample_rate_hz=48_000, start=start, duration=60
    )
    master = Master(uri=SOURCE.as_uri(), size_bytes=1, sha256="0" * 64)
    probe = Probe(master=master, container="mov", duration=60, video=(track,), audio=(sound,))
    ladder = choose_ladder(load_profile(profile), probe)
    return plan_encode(probe, ladder, chunk_seconds=30, threads=2, toolchain="t")


def targets(job):
    return [(output, Path(f"/scratch/{output.rung.name}.mp4")) for output in job.outputs]


HDR = {
    "width": 3840, "height": 2160, "pixel_format": "yuv420p10le",
    "colour": Colour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="tv"),
}  # fmt: skip
DISPLAY = MasteringDisplay(
    red=("17/25", "8/25"), green=("53/200", "69/100"), blue=("3/20", "3/50"), white=("3127/10000", "329/1000"),
    max_luminance=1000, min_luminance="1/10000",
)  # fmt: skip
PLANS = {
    "film": a_plan(),
    "interlaced-ts": a_plan(rate="30000/1001", start="43001/30000", interlaced=True),
    "film-in-fields": a_plan(rate="30000/1001", start="1/30", interlaced=True, telecined=True, field_order="tff"),
    "hdr": a_plan(**HDR),
    "netflix": a_plan(profile="netflix", **HDR),
    "netflix-gpu": a_plan(profile="netflix-gpu"),
    "netflix-av1": a_plan(profile="netflix-av1", **HDR),
    "dynamic-hdr": a_plan(
        profile="netflix",
        mastering=DISPLAY,
        light=ContentLight(max_cll=1000, max_fall=400),
        dynamic=("dv8.1", "hdr10+"),
        **HDR,
    ),
    "rgb": a_plan(width=640, height=360, pixel_format="gbrp10le", colour=Colour(matrix="gbr", range="pc")),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_video_commands_are_as_reviewed(name):
    plan = PLANS[name]
    plus = "hdr10plus.json" if name == "dynamic-hdr" else None
    for place, job in (("first", plan.jobs[1]), ("last", plan.jobs[-1])):
        assert matches(f"{name}-{place}-chunk", video_command(job, SOURCE, targets(job), 3, plus))


GPU_JOBS = {
    "gpu-film": PLANS["netflix-gpu"].jobs[1],
    "gpu-interlaced": a_plan(profile="netflix-gpu", rate="25", interlaced=True).jobs[1],
    "gpu-hdr": a_plan(profile="netflix-gpu", **(HDR | {"codec": "hevc"})).jobs[2],
    "gpu-tone-mapped": a_plan(profile="netflix-gpu", **HDR).jobs[3],
}


@pytest.mark.parametrize("name", GPU_JOBS)
def test_nvenc_commands_are_as_reviewed(name):
    job = GPU_JOBS[name]
    assert job.queue == "gpu"
    assert matches(name, video_command(job, SOURCE, targets(job), Fraction(3)))


def test_what_the_cpu_makes_in_the_gpus_stead_is_as_reviewed():
    job = on_cpu(GPU_JOBS["gpu-film"], "no encoder session left")
    assert matches("gpu-film-on-cpu", video_command(job, SOURCE, targets(job), Fraction(3)))


def test_a_missing_rung_alone_is_cut_and_mapped_from_the_same_picture():
    job = PLANS["hdr"].jobs[1]
    assert matches("hdr-480p-alone", video_command(job, SOURCE, targets(job)[-1:], 3))


def test_without_pre_roll_the_source_is_read_from_its_start():
    job = PLANS["film"].jobs[-1]
    assert "-ss" not in video_command(job, SOURCE, targets(job), None)


def test_sound_commands_are_as_reviewed():
    plan = PLANS["interlaced-ts"]
    assert matches("sound", audio_command(plan.jobs[0], SOURCE, targets(plan.jobs[0])))


def test_join_and_quality_commands_are_as_reviewed():
    plan = PLANS["film"]
    assert matches("join", join_command(Path("/scratch/chunks.txt"), Path("/scratch/joined.mp4"), plan.frame_rate))
    span = Span(plan.probe.video[0], plan.frame_rate, 0, plan.total_frames)
    made = [(Path("/scratch/0.mp4"), "0.json"), (Path("/scratch/1.mp4"), "1.json")]
    assert matches("quality", quality_command(span, SOURCE, made, (1920, 1080), 5))


def test_sound_of_a_target_loudness_is_measured_then_corrected_as_reviewed():
    job = PLANS["netflix"].jobs[0]
    logs = [(output, f"{output.rung.name}.r128") for output in job.outputs]
    assert matches("loudness", loudness_command(job, SOURCE, logs))
    gains = {output.digest: 3.5 for output in job.outputs}
    assert matches("sound-corrected", audio_command(job, SOURCE, targets(job), gains))


def test_frames_of_a_chunk_are_listed_for_their_hdr10_plus_as_reviewed():
    job = PLANS["dynamic-hdr"].jobs[-1]
    assert matches("hdr10plus-frames", frames_command(job, SOURCE))
    whole = frames_command(job, SOURCE, whole=True)
    assert whole[whole.index("-read_intervals") + 1] == "%61.000"


def test_a_master_is_examined_as_reviewed():
    probe = PLANS["interlaced-ts"].probe
    assert matches("examine", examine_command(probe, SOURCE, SourceChecks(), every_picture=False))
    assert "-skip_frame" not in examine_command(probe, SOURCE, SourceChecks(), every_picture=True)


def test_windows_are_looked_at_as_reviewed():
    assert matches("window", window_command(SOURCE, 0, Fraction(25, 2), 25))


def test_bars_are_cut_before_anything_is_scaled_and_from_the_reference_too():
    track = PLANS["film"].probe.video[0].model_copy(update={"crop": Crop(x=0, y=140, width=1920, height=800)})
    job = PLANS["film"].jobs[1].model_copy(update={"track": track})
    assert matches("cropped-first-chunk", video_command(job, SOURCE, targets(job), 3))
    span = Span(track, PLANS["film"].frame_rate, 0, 1440)
    graph = next(
        word for word in quality_command(span, SOURCE, [(Path("/s/0.mp4"), "0.json")], (1920, 800), 5) if "crop" in word
    )
    assert graph.index("crop=1920:800:0:140") < graph.rindex("scale=1920:800")
