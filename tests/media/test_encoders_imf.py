"""Interoperable masters: every picture and every sample where the composition puts it, or one clear sentence."""

import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from encoders.probe import inspect_master
from encoders.qualify import qualify
from encoders.source import master_path, register_master
from profiles.models import AudioRung, Profile, VideoRung
from telecine.errors import SourceRejected
from telecine.storage.local import LocalStore
from telecine.tools import tool_path

sys.path.insert(0, str(Path(__file__).parent))
from encoders_clips import brightness, ffmpeg, released, samples_of, shown_brightness
from hdr_clips import said_by_ffprobe
from imf_clips import FEATURE_FRAMES, feature, pictures

pytestmark = pytest.mark.media

CLOSE = 3
"""Levels a frame may be off by: the scaler's and the codec's rounding; neighbours differ by 37."""


def conformed(uri, work):
    master = register_master(str(uri), work)
    return master, master_path(master, work)


def rejection(uri, work) -> str:
    with pytest.raises(SourceRejected) as caught:
        conformed(uri, work)
    return str(caught.value)


def frames_of(path):
    return shown_brightness(path)


def same(found, numbers):
    return len(found) == len(numbers) and all(
        abs(level - brightness(number)) <= CLOSE for level, number in zip(found, numbers, strict=True)
    )


def clicks_in(path):
    samples = samples_of(path)
    return [n for n, value in enumerate(samples) if value > 20000 and (n == 0 or samples[n - 1] <= 20000)]


@pytest.mark.parametrize("rate", ["24", "24000/1001", "30000/1001"])
def test_every_picture_and_click_is_where_the_timeline_says(tmp_path, rate):
    cpl = feature(tmp_path / "imp", rate).write()
    master, path = conformed(cpl, tmp_path / "work")
    assert master.uri == cpl.as_uri()
    assert same(frames_of(path), FEATURE_FRAMES)
    probe = qualify(inspect_master(master, path))
    track = probe.video[0]
    assert (track.codec, track.packets, track.frame_rate.fraction) == ("jpeg2000", 57, Fraction(rate))
    assert (track.start, track.duration) == (0, 57 / Fraction(rate))
    sound = probe.audio[0]
    assert (sound.codec, sound.channels, sound.language, sound.start) == ("pcm_s24le", 2, "fra", 0)
    assert abs(sound.duration - track.duration) <= Fraction(1, 48000)
    # entry points 8, 4 and 40 all begin with a click, and one comes every four frames
    starts = [*range(0, 20, 4), 20, 24, 28, *range(32, 57, 4)]
    assert len(clicks_in(path)) == len(starts)
    for sample, frame in zip(clicks_in(path), starts, strict=True):
        assert abs(sample - frame / Fraction(rate) * 48000) <= 2


def test_a_title_is_made_of_a_package_as_of_any_master(tmp_path):
    cpl = feature(tmp_path / "imp").write()
    _, path = conformed(cpl, tmp_path / "work")
    profile = Profile(
        name="p", summary="tests", gop_seconds=1, segment_gops=1,
        video=(VideoRung(name="v", width=160, height=90, crf=5, max_bps=9_000_000, preset="ultrafast"),),
        audio=(AudioRung(name="stereo", channels=2, bitrate_bps=128_000),),
    )  # fmt: skip
    _, renditions, store = released(path, tmp_path, profile, chunk_seconds=1)
    made = tmp_path / "made.mp4"
    store.get_file(renditions.video[0].key, made)
    assert same(frames_of(made), FEATURE_FRAMES)


def test_the_imf_reader_of_ffmpeg_shows_the_same_pictures(tmp_path):
    package = feature(tmp_path / "imp")
    package.segments = [{"image": segment["image"]} for segment in package.segments]  # it wants sound in a file alone
    cpl = package.write()
    _, path = conformed(cpl, tmp_path / "work")

    def hashes(*source):
        command = [tool_path("ffmpeg"), "-v", "error", *source, "-map", "0:v:0", "-f", "framemd5", "-"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [line.rpartition(",")[2] for line in text.splitlines() if not line.startswith("#")]

    assert hashes("-i", str(path)) == hashes("-f", "imf", "-i", str(cpl))


@pytest.mark.parametrize("given", ["", "ASSETMAP.xml", "CPL_feature.xml"])
def test_the_folder_its_asset_map_and_its_cpl_are_one_master(tmp_path, given):
    cpl = feature(tmp_path / "imp").write()
    assert register_master(str(tmp_path / "imp" / given), tmp_path / "work") == register_master(
        str(cpl), tmp_path / "other"
    )


def test_what_is_shown_names_the_master_and_not_where_it_lies(tmp_path):
    first = feature(tmp_path / "imp")
    known = register_master(str(first.write()), tmp_path / "work").sha256
    shutil.copytree(tmp_path / "imp", tmp_path / "moved")
    assert register_master(str(tmp_path / "moved"), tmp_path / "work").sha256 == known
    first.segments[1]["image"] = [("reel2.mxf", 4, 25, 1)]
    assert register_master(str(first.write()), tmp_path / "work").sha256 != known


def test_a_package_in_an_object_store_is_fetched_and_conformed(tmp_path):
    feature(tmp_path / "imp").write()
    store = LocalStore(tmp_path / "bucket")
    for path in (tmp_path / "imp").iterdir():
        store.put_file(f"masters/film/{path.name}", path, content_type="application/octet-stream")
    uri = "s3://films/masters/film/CPL_feature.xml"
    master = register_master(uri, tmp_path / "work", lambda _: store)
    assert master.uri == uri
    assert master.sha256 == register_master(str(tmp_path / "imp"), tmp_path / "here").sha256
    assert same(frames_of(master_path(master, tmp_path / "another machine", lambda _: store)), FEATURE_FRAMES)
    for uri in ("s3://films/masters/film/", "s3://films/masters/film/ASSETMAP.xml"):
        assert register_master(uri, tmp_path / "work", lambda _: store) == master


def test_a_missing_track_file_is_named(tmp_path):
    cpl = feature(tmp_path / "imp").write()
    (tmp_path / "imp" / "reel2.mxf").unlink()
    assert "lacks the file reel2.mxf" in rejection(cpl, tmp_path / "work")


def test_a_track_file_of_another_hash_is_named(tmp_path):
    package = feature(tmp_path / "imp", hashes={"reel2.mxf": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="})
    assert "track file reel2.mxf is not the one its packing list names" in rejection(package.write(), tmp_path / "w")
    package.hashes.clear()
    cpl = package.write()
    (tmp_path / "imp" / "reel2.mxf").write_bytes((tmp_path / "imp" / "reel2.mxf").read_bytes()[:-100])
    assert "reel2.mxf has" in rejection(cpl, tmp_path / "w")


def test_an_encrypted_package_is_refused(tmp_path):
    cpl = feature(tmp_path / "imp", resource_extra="<KeyId>urn:uuid:1</KeyId>").write()
    assert "are encrypted (KeyId); deliver it in the clear" in rejection(cpl, tmp_path / "work")


def test_subtitles_are_left_out_and_the_rest_is_made(tmp_path):
    extra = "<cc:SubtitlesSequence><TrackId>urn:uuid:9</TrackId><ResourceList/></cc:SubtitlesSequence>"
    cpl = feature(tmp_path / "imp", extra=extra).write()
    _, path = conformed(cpl, tmp_path / "work")
    assert same(frames_of(path), FEATURE_FRAMES)


def test_a_resource_beyond_its_track_file_is_refused(tmp_path):
    package = feature(tmp_path / "imp")
    package.segments[1] = {"image": [("reel2.mxf", 10, 25, 1)]}
    assert "asks for edit units 10 to 35 of 30" in rejection(package.write(), tmp_path / "work")
    package.intrinsic["reel2.mxf"] = 40
    package.segments[1]["audio"] = [("sound.mxf", 40, 25, 1)]
    assert "holds 30 pictures" in rejection(package.write(), tmp_path / "work")


def test_pictures_that_need_one_another_are_refused(tmp_path):
    package = feature(tmp_path / "imp")
    package.files["reel2.mxf"] = pictures(
        tmp_path / "imp" / "reel2.mxf", frames=30, first=40, coding=("-pix_fmt", "yuv420p", "-c:v", "mpeg2video")
    )
    assert "track file reel2.mxf holds pictures in mpeg2video" in rejection(package.write(), tmp_path / "work")


def test_of_two_compositions_the_one_that_is_named_is_taken(tmp_path):
    package = feature(tmp_path / "imp")
    cpl = package.write()
    mapped = tmp_path / "imp" / "ASSETMAP.xml"
    (tmp_path / "imp" / "CPL_trailer.xml").write_text(cpl.read_text())
    second = "<Asset><Id>urn:uuid:8</Id><ChunkList><Chunk><Path>CPL_trailer.xml</Path></Chunk></ChunkList></Asset>"
    mapped.write_text(mapped.read_text().replace("</AssetList>", f"{second}</AssetList>"))
    told = rejection(tmp_path / "imp", tmp_path / "work")
    assert "has 2 compositions (CPL_feature.xml, CPL_trailer.xml): give the path of the CPL" in told
    assert register_master(str(cpl), tmp_path / "work").uri == cpl.as_uri()


def test_a_changed_package_is_not_taken_for_the_registered_one(tmp_path):
    package = feature(tmp_path / "imp")
    master = register_master(str(package.write()), tmp_path / "work")
    package.segments.pop()
    package.write()
    with pytest.raises(SourceRejected, match="changed since it was registered"):
        master_path(master, tmp_path / "work")


@pytest.mark.parametrize(("pixels", "range_"), [("yuv422p10le", "tv"), ("yuv422p10le", "pc"), ("gbrp12le", "pc")])
def test_colour_and_light_of_the_track_files_are_kept(tmp_path, pixels, range_):
    package = feature(tmp_path / "imp")
    colour = f"color_primaries=bt2020:color_trc=smpte2084:range={range_}"
    matrix = "gbr" if pixels.startswith("gbr") else "bt2020nc"
    for name, path in package.files.items():
        if name.startswith("reel"):
            source = f"testsrc2=s=160x90:r=24,format={pixels},setparams=colorspace={matrix}:{colour}"
            frames = str(package.intrinsic[name])
            ffmpeg("-f", "lavfi", "-i", source, "-frames:v", frames, "-c:v", "jpeg2000", "-f", "mxf", str(path))
    master, path = conformed(package.write(), tmp_path / "work")
    track = inspect_master(master, path).video[0]
    told = said_by_ffprobe(package.files["reel2.mxf"])
    assert (track.colour.primaries, track.colour.transfer) == ("bt2020", "smpte2084")
    assert track.colour.range == told["color_range"]
    assert track.pixel_format == ("rgb48le" if pixels.startswith("gbr") else pixels)


@pytest.mark.parametrize("dynamic_range", ["source", "sdr"])
def test_an_rgb_hdr_picture_has_the_colours_of_its_ycc_twin(tmp_path, dynamic_range):
    """Red, green and blue bars through both ways: a wrong matrix or range would show as tens of levels."""
    coding = ["-c:v", "ffv1"]
    made = []
    for name, convert in (("rgb", "null"), ("ycc", "scale=out_color_matrix=bt2020:out_range=tv,format=yuv444p12le")):
        bars = "smptehdbars=s=160x90:r=24:d=1,format=gbrp12le"
        matrix = "gbr" if name == "rgb" else "bt2020nc"
        said = f"setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace={matrix}"
        said += ":range=pc" if name == "rgb" else ":range=tv"
        master = tmp_path / f"{name}.mkv"
        ffmpeg("-f", "lavfi", "-i", f"{bars},{convert},{said}", *coding, str(master))
        rung = VideoRung(
            name="v", codec="x265", width=160, height=90, dynamic_range=dynamic_range, crf=1, max_bps=20_000_000,
            preset="ultrafast",
        )  # fmt: skip
        profile = Profile(name="p", summary="tests", gop_seconds=1, segment_gops=1, video=(rung,), audio=())
        (tmp_path / name).mkdir()
        _, renditions, store = released(master, tmp_path / name, profile, chunk_seconds=1)
        path = tmp_path / f"{name}.mp4"
        store.get_file(renditions.video[0].key, path)
        made.append(ffmpeg("-i", str(path), "-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"))
        expected = "bt709" if dynamic_range == "sdr" else "bt2020nc"
        assert said_by_ffprobe(path)["color_space"] == expected
    differences = sorted(abs(a - b) for a, b in zip(*made, strict=True))
    assert differences[len(differences) * 95 // 100] <= 3


def test_every_sound_track_of_a_composition_is_a_track_of_the_master(tmp_path):
    """A stereo track beside a mono one, whose file says no layout."""
    package = feature(tmp_path / "imp")
    mono = tmp_path / "imp" / "mono.mxf"
    source = "aevalsrc=exprs=0.9*lt(mod(n\\,8000)\\,24):s=48000:d=4"  # every four frames of 24
    ffmpeg(
        "-f", "lavfi", "-i", source, "-c:a", "pcm_s24le", "-mxf_audio_edit_rate", "24", "-f", "mxf_opatom", str(mono)
    )
    package.files["mono.mxf"], package.intrinsic["mono.mxf"] = mono, 96
    for segment, entry in zip(package.segments, (3, 0), strict=True):
        frames = sum(duration * repeat for _, _, duration, repeat in segment["image"])
        segment["audio, mono"] = [("mono.mxf", entry, frames, 1)]
    master, path = conformed(package.write(), tmp_path / "work")
    probe = qualify(inspect_master(master, path))
    assert [(track.channels, track.duration) for track in probe.audio] == [(2, Fraction(57, 24)), (1, Fraction(57, 24))]
    only = tmp_path / "mono.mov"
    ffmpeg("-i", str(path), "-map", "0:a:1", "-c", "copy", str(only))
    frames = [1, *range(5, 32, 4), *range(32, 57, 4)]
    assert [round(sample / 2000) for sample in clicks_in(only)] == frames
