"""Inspection: everything the later stages ask of a master, found once and exactly."""

import re
from fractions import Fraction
from pathlib import Path

from pymediainfo import MediaInfo

from encoders.complaints import complaints
from encoders.decodable import DecodeCheck, check_decoding, check_sound
from encoders.dynamic import read_dynamic
from encoders.light import read_light
from encoders.looking import looked_at
from encoders.naming import file_name
from encoders.soundtracks import audio_track
from encoders.streams import (
    Header,
    PacketTally,
    Stream,
    first_frame_side_data,
    read_header,
    read_packets,
    says_encrypted,
    says_interlaced,
)
from encoders.timing import cadence
from profiles.select import dynamic_range
from telecine.media import (
    Colour,
    FrameRate,
    Master,
    Probe,
    SubtitleTrack,
    VideoTrack,
)

__all__ = ["inspect_master"]


def inspect_master(master: Master, path: Path) -> Probe:
    """Read headers, every packet's time, and the pictures at both ends of the master in ``path``.

    A video track's ``start`` and ``packets`` count from its first decodable picture. Raises SourceRejected when the
    file is not readable as media at all; whether it may become a title is decided by ``qualify``.
    """
    header = read_header(path, file_name(master.uri))
    media_info = MediaInfo.parse(path)
    tallies, said = read_packets(path, header)
    pictures = next((stream for stream in header.streams if stream.kind == "video"), None)
    sound = next((s for s in header.streams if s.kind == "audio" and tallies[s.index].counted), None)
    check = DecodeCheck(None, 0, 0, ())
    if pictures and tallies[pictures.index].times:
        check = check_decoding(path, pictures, tallies[pictures.index].times, sound)
    elif sound:
        check = check_sound(path, sound, _extent(sound, tallies[sound.index]))
    losses = (*complaints(said), *_unread(header, tallies))
    encrypted = says_encrypted(header, media_info)
    tracks = tuple(
        _with_hdr(
            _video_track(stream, tallies[stream.index], media_info, check if stream is pictures else None),
            path,
            stream,
            _hdr_format(media_info) if stream is pictures else "",
        )
        for stream in header.streams
        if stream.kind == "video"
    )
    if tracks and check.first_frames and not encrypted:
        tracks = (looked_at(tracks[0], path), *tracks[1:])
    return Probe(
        master=master,
        container=header.container,
        duration=_declared_span(header, tallies),
        video=tracks,
        audio=tuple(
            audio_track(stream, _extent(stream, tallies[stream.index]), media_info, position)
            for position, stream in enumerate(stream for stream in header.streams if stream.kind == "audio")
        ),
        subtitles=tuple(
            SubtitleTrack(index=s.index, codec=s.text("codec_name") or "unknown", language=s.language)
            for s in header.streams
            if s.kind == "subtitle"
        ),
        encrypted=encrypted,
        decode_errors=tuple(dict.fromkeys([*losses, *check.errors])),
        first_frames_decoded=check.first_frames,
        last_frames_decoded=check.last_frames,
    )


def _unread(header: Header, tallies: dict[int, PacketTally]) -> tuple[str, ...]:
    """Tracks whose index lists more samples than the file still holds. A packet of PCM holds many samples."""
    return tuple(
        f"track {stream.index} ends early: {stream.number('nb_frames')} samples are listed in the index "
        f"and {tallies[stream.index].counted} could be read"
        for stream in header.streams
        if stream.kind in {"video", "audio"} and _ends_early(stream, tallies[stream.index])
    )


def _ends_early(stream: Stream, tally: PacketTally) -> bool:
    """Whether samples of the index could not be read. Packets of PCM hold many, and an edit list leaves some out: there
    the end is compared and not the count.
    """
    if stream.number("nb_frames") <= tally.counted:
        return False
    grouped = (stream.text("codec_name") or "").startswith("pcm_")
    if tally.last is None or not (grouped or tally.discarded):
        return True
    declared_end = int(stream.fields.get("start_pts", 0)) + stream.number("duration_ts")
    return 2 * (declared_end - tally.last - tally.last_duration) > tally.last_duration


def _declared_span(header: Header, tallies: dict[int, PacketTally]) -> Fraction:
    """The container's duration, less what only a subtitle or other side track reaches."""
    ends = {"av": Fraction(0), "side": Fraction(0)}
    for stream in header.streams:
        _, end = _extent(stream, tallies[stream.index])
        group = "av" if stream.kind in {"video", "audio"} else "side"
        ends[group] = max(ends[group], end)
    reached_aside = ends["side"] > ends["av"] and ends["side"] >= header.duration - Fraction(1, 2)
    return ends["av"] if reached_aside else header.duration


def _extent(stream: Stream, tally: PacketTally) -> tuple[Fraction, Fraction]:
    if tally.first is None or tally.last is None:
        return Fraction(0), Fraction(0)
    return tally.first * stream.time_base, (tally.last + tally.last_duration) * stream.time_base


def _with_hdr(track: VideoTrack, path: Path, stream: Stream, hdr_format: str) -> VideoTrack:
    """A track with its HDR metadata: of the container, or else of the first picture (SEI, metadata OBU)."""
    if dynamic_range(track) == "SDR":
        return track.model_copy(update={"dynamic": read_dynamic(stream.side_data)})
    display, light = read_light(stream.side_data)
    first_frame = first_frame_side_data(path, stream)
    coded = read_light(first_frame)
    dynamic = read_dynamic([*stream.side_data, *first_frame], hdr_format)
    return track.model_copy(update={"mastering": display or coded[0], "light": light or coded[1], "dynamic": dynamic})


def _hdr_format(media_info: MediaInfo) -> str:
    """MediaInfo sees the dynamic metadata of AV1, which the ffprobe here cannot decode."""
    return str(next((track.hdr_format for track in media_info.video_tracks if track.hdr_format), ""))


def _video_track(stream: Stream, tally: PacketTally, media_info: MediaInfo, check: DecodeCheck | None) -> VideoTrack:
    times = tally.times
    if check is not None and check.first_time is not None:
        times = [time for time in times if time * stream.time_base >= check.first_time] or times
    rates = (stream.ratio("r_frame_rate"), stream.ratio("avg_frame_rate"), _media_info_rate(media_info))
    found = cadence(times or [0], stream.time_base, tally.last_duration, rates)
    pixel_format = stream.text("pix_fmt") or "unknown"
    return VideoTrack(
        index=stream.index,
        codec=stream.text("codec_name") or f"unknown ({stream.fields.get('codec_tag_string', '?')})",
        width=stream.number("width"),
        height=stream.number("height"),
        sample_aspect=stream.ratio("sample_aspect_ratio") or Fraction(1),
        rotation=_rotation(stream),
        pixel_format=pixel_format,
        bit_depth=_bit_depth(pixel_format),
        frame_rate=FrameRate.of(found.rate),
        gaps=found.gaps,
        dropped=found.dropped,
        variable_frame_rate=found.variable,
        interlaced=says_interlaced(stream, media_info),
        colour=_colour(stream),
        start=found.start,
        duration=found.duration if times else Fraction(0),
        packets=len(times),
    )


def _media_info_rate(media_info: MediaInfo) -> Fraction | None:
    for track in media_info.video_tracks:
        if track.framerate_num and track.framerate_den:
            return Fraction(int(track.framerate_num), int(track.framerate_den))
    return None


def _rotation(stream: Stream) -> int:
    """Clockwise degrees to turn the coded picture by, to the nearest quarter."""
    for side in stream.side_data:
        if "rotation" in side:
            return round(-float(side["rotation"]) / 90) % 4 * 90
    return 0


def _bit_depth(pixel_format: str) -> int:
    match = re.search(r"(?:p0?|gray|[a-z])(9|10|12|14|16)(?:le|be)$", pixel_format)
    return int(match[1]) if match else 8


def _colour(stream: Stream) -> Colour:
    return Colour(
        primaries=stream.text("color_primaries"),
        transfer=stream.text("color_transfer"),
        matrix=stream.text("color_space"),
        range=stream.text("color_range"),
    )
