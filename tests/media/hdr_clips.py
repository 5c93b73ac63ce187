"""Small HDR masters made by the tests themselves, HDR10+ and Dolby Vision included, and what tools say of any file."""

import json
import subprocess
from pathlib import Path

from encoders_clips import ffmpeg
from pymediainfo import MediaInfo

from telecine.tools import tool_path

MASTERING = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
TRANSFERS = {"PQ": "smpte2084", "HLG": "arib-std-b67"}
_RPU_NAL, _DELIMITER = 62, 35  # ITU-T H.265, table 7-1


class Bits:
    """A bit string written as ITU-T H.265 (9.2) spells numbers."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, width: int) -> None:
        self.text += f"{value & ((1 << width) - 1):0{width}b}"

    def ue(self, value: int) -> None:
        digits = f"{value + 1:b}"
        self.text += "0" * (len(digits) - 1) + digits

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def align(self) -> None:
        self.text += "0" * (-len(self.text) % 8)

    def bytes(self) -> bytes:
        self.align()
        return int(self.text, 2).to_bytes(len(self.text) // 8, "big")


def rpu(frame: int) -> bytes:
    """A reference processing unit of profile 8 whose brightest pixel (level 1) tells the frame's number."""
    bits = Bits()
    for value, width in ((2, 6), (18, 11), (1, 4), (0, 4), (1, 1), (0, 1), (0, 2)):  # type, format, profile, level
        bits.u(value, width)
    bits.ue(23)  # fractions of coefficients have 23 bits
    bits.u(1, 2)
    bits.u(0, 1)
    for depth_minus_8 in (2, 2, 4):
        bits.ue(depth_minus_8)
    for value, width in ((0, 1), (0, 3), (0, 1), (1, 1), (1, 1), (0, 1)):  # no residual; display metadata follow
        bits.u(value, width)
    for value in (0, 0, 0):
        bits.ue(value)
    for _ in range(3):  # one piece over the whole range
        bits.ue(0)
        bits.u(0, 10)
        bits.u(1023, 10)
    bits.ue(0)
    bits.ue(0)
    for _ in range(3):  # the identity: 0 + 1 * x
        bits.ue(0)
        bits.ue(0)
        bits.u(0, 1)
        for coefficient in (0, 1):
            bits.se(coefficient)
            bits.u(0, 23)
    _display(bits, frame)
    body = bits.bytes()
    return body + _crc(body).to_bytes(4, "big") + b"\x80"


def _display(bits: Bits, frame: int) -> None:
    for value in (0, 0, int(frame == 0)):
        bits.ue(value)
    for value in (9574, 0, 13802, 9574, -1540, -5348, 9574, 17610, 0):
        bits.u(value, 16)
    for value in (16777216, 134217728, 134217728):
        bits.u(value, 32)
    for value in (7222, 8771, 390, 2654, 12430, 1300, 0, 422, 15962):
        bits.u(value, 16)
    for value, width in ((65535, 16), (0, 16), (0, 16), (0, 32), (12, 5), (0, 2), (0, 2), (1, 2)):
        bits.u(value, width)
    for value, width in ((7, 12), (3079, 12), (42, 10)):
        bits.u(value, width)
    bits.ue(1)
    bits.align()
    bits.ue(5)
    for value, width in ((1, 8), (0, 12), (2000 + frame, 12), (500, 12)):  # level 1: least, most, average
        bits.u(value, width)
    bits.align()


def _crc(body: bytes) -> int:
    """CRC-32 of MPEG-2 systems."""
    crc = 0xFFFFFFFF
    for byte in body:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def _escaped(body: bytes) -> bytes:
    made, zeros = bytearray(), 0
    for byte in body:
        if zeros >= 2 and byte <= 3:
            made.append(3)
            zeros = 0
        made.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(made)


def nals(stream: bytes) -> list[bytes]:
    """NAL units of an Annex B stream."""
    return stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]


def rpu_nal(frame: int) -> bytes:
    return b"\x7c\x01\x19" + _escaped(rpu(frame))


def with_rpus(stream: bytes) -> bytes:
    """A stream without B-frames, a delimiter before each picture, with an RPU after each."""
    pictures: list[bytes] = []
    for nal in nals(stream):
        if (nal[0] >> 1) & 63 == _DELIMITER:
            pictures.append(b"")
        pictures[-1] += b"\0\0\0\1" + nal
    return b"".join(picture + b"\0\0\0\1" + rpu_nal(frame) for frame, picture in enumerate(pictures))


def rpus_of(path: Path) -> list[bytes]:
    """RPUs of a file in order of display."""
    frames = ffmpeg("-i", str(path), "-map", "0:v:0", "-c", "copy", "-bsf:v", "hevc_mp4toannexb", "-f", "hevc", "-")
    found = [nal for nal in nals(frames) if (nal[0] >> 1) & 63 == _RPU_NAL]
    listed = ffprobe(path, "-show_entries", "packet=pts")["packets"]
    assert len(found) == len(listed)
    return [nal for _, nal in sorted(zip((packet["pts"] for packet in listed), found, strict=True))]


def hdr10_plus_file(path: Path, frames: int) -> Path:
    """Metadata whose brightest red tells the frame's number, as x265 reads it."""
    scenes = [
        {
            "BezierCurveData": {"Anchors": [102, 205, 307, 410, 512, 614, 717, 819, 922], "KneePointX": 17,
                                "KneePointY": 64},
            "LuminanceParameters": {
                "AverageRGB": 100 + frame,
                "LuminanceDistributions": {"DistributionIndex": [1, 5, 10, 25, 50, 75, 90, 95, 99],
                                           "DistributionValues": [0, 100, 3, 4, 10, 20, 30, 40, 50 + frame]},
                "MaxScl": [1000 + frame, 1100, 1200],
            },
            "NumberOfWindows": 1, "TargetedSystemDisplayMaximumLuminance": 400,
            "SceneFrameIndex": frame, "SceneId": 0, "SequenceFrameIndex": frame,
        }
        for frame in range(frames)
    ]  # fmt: skip
    summary = {"SceneFirstFrameIndex": [0], "SceneFrameNumbers": [frames]}
    said = {"JSONInfo": {"HDR10plusProfile": "B", "Version": "1.0"}, "SceneInfo": scenes, "SceneInfoSummary": summary}
    path.write_text(json.dumps(said))
    return path


def hdr_master(path: Path, *, transfer: str, seconds: int, size="160x90", plus=False, vision=False) -> Path:
    """HEVC of that transfer ("PQ" with light levels, or "HLG"), with HDR10+ and Dolby Vision 8.1 or 8.4 if asked."""
    colour = f"setparams=color_primaries=bt2020:color_trc={TRANSFERS[transfer]}:colorspace=bt2020nc:range=tv"
    source = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=24:d={seconds},format=yuv420p10le,{colour}"]
    coding = "keyint=24:min-keyint=24:scenecut=0:open-gop=0:repeat-headers=1:log-level=error:info=0"
    coding += ":vbv-maxrate=3000:vbv-bufsize=3000"
    light = f":master-display={MASTERING}:max-cll=1000,400:hdr10=1" if transfer == "PQ" else ""
    if plus:
        light += f":dhdr10-info={hdr10_plus_file(path.with_suffix('.json'), seconds * 24).name}"
    encoder = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "14"]
    asked = []
    if vision:
        plain = path.with_suffix(".plain.hevc")
        ffmpeg(*source, *encoder, "-x265-params", f"{coding}:bframes=0:aud=1", str(plain))
        marked = path.with_suffix(".marked.hevc")
        marked.write_bytes(with_rpus(plain.read_bytes()))
        source, asked = ["-r", "24", "-i", str(marked)], ["-dolbyvision", "1", "-strict", "unofficial"]
    command = [tool_path("ffmpeg"), "-v", "error", "-nostdin", "-y", *source, *encoder, *asked, "-tag:v", "hvc1"]
    # x265's parameters have no way to quote a colon of a path, so its file is named from its own folder
    subprocess.run([*command, "-x265-params", coding + light, path.name], check=True, cwd=path.parent)
    return path


def ffprobe(path: Path, *arguments: str) -> dict:
    command = [tool_path("ffprobe"), "-v", "error", "-select_streams", "v:0", *arguments, "-of", "json", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def said_by_ffprobe(path: Path) -> dict:
    """Colour, static and dynamic HDR metadata of the stream and its first picture."""
    entries = "color_primaries,color_transfer,color_space,color_range"
    found = ffprobe(path, "-show_entries", f"stream={entries}:stream_side_data:frame={entries}:frame_side_data",
                    "-read_intervals", "%+#1")  # fmt: skip
    stream, frame = found["streams"][0], found["frames"][0]
    sides = {
        side["side_data_type"]: side for side in (*stream.get("side_data_list", ()), *frame.get("side_data_list", ()))
    }
    kept = ("Mastering display metadata", "Content light level metadata", "DOVI configuration record")
    facts = {name: stream.get(name) for name in entries.split(",")} | {name: sides.get(name) for name in kept}
    if facts["DOVI configuration record"]:
        # the level follows the bit rate and size
        facts["DOVI configuration record"] = {k: v for k, v in sides[kept[2]].items() if k != "dv_level"}
    if TRANSFERS["HLG"] == facts["color_transfer"]:
        facts["Content light level metadata"] = None  # an empty one means none
    facts["HDR10+"] = any("2094-40" in kind for kind in sides)
    return facts


def said_by_media_info(path: Path) -> dict:
    track = MediaInfo.parse(path).video_tracks[0].to_data()
    names = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "color_range", "hdr_format",
             "hdr_format_profile", "hdr_format_compatibility", "mastering_display_color_primaries",
             "mastering_display_luminance", "maximum_content_light_level",
             "maximum_frameaverage_light_level")  # fmt: skip
    return {name: track.get(name) for name in names}


def hdr10_plus_of(path: Path) -> list[str]:
    """Brightest red of each frame's HDR10+, in order of display."""
    frames = ffprobe(path, "-show_entries", "frame_side_data=maxscl")["frames"]
    command = [tool_path("ffprobe"), "-v", "error", "-select_streams", "v:0", "-show_frames", str(path)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("[/FRAME]")[:-1]
    assert len(lines) == len(frames)
    return [next((part for part in line.splitlines() if part.startswith("maxscl=")), "none") for line in lines]
