"""The clauses a package is held to, by number, and what to do about a breach of each. Pure.

Numbers: RFC 8216bis (draft-pantos-hls-rfc8216bis), Apple's HLS Authoring Specification for Apple Devices, ISO/IEC
23009-1 (DASH), ISO/IEC 14496-12 (boxes), ISO/IEC 23001-7 (CENC), W3C EME. ``Telecine`` are promises of our own.
"""

from dataclasses import dataclass
from enum import StrEnum

from packagers.evidence.documents import Fault

__all__ = ["CLAUSES", "Clause", "Rule", "fault"]

_RFC, _APPLE, _DASH, _BMFF = "RFC 8216bis", "HLS Authoring", "ISO/IEC 23009-1", "ISO/IEC 14496-12"
_CENC, _EME, _OURS = "ISO/IEC 23001-7", "W3C EME", "Telecine"


class Rule(StrEnum):
    """What is checked; the value is a short name for tables and tests."""

    HLS_EXTM3U = "hls-extm3u"
    HLS_VERSION = "hls-version"
    HLS_TAGS = "hls-tags"
    HLS_ATTRIBUTES = "hls-attributes"
    HLS_TARGET = "hls-target-duration"
    HLS_ENDLIST = "hls-endlist"
    HLS_TYPE = "hls-playlist-type"
    HLS_EXTINF = "hls-extinf"
    HLS_KEY = "hls-key"
    HLS_MAP = "hls-map"
    HLS_MEDIA = "hls-media"
    HLS_GROUP = "hls-group"
    HLS_VARIANT = "hls-variant"
    HLS_SESSION_KEY = "hls-session-key"
    HLS_IFRAMES = "hls-i-frames-only"
    HLS_PEAK = "hls-peak"
    HLS_AVERAGE = "hls-average"
    HLS_PEAK_RATIO = "hls-peak-ratio"
    HLS_FETCH = "hls-fetch"
    HLS_TYPES = "hls-content-type"
    HLS_CODECS = "hls-codecs"
    HLS_RESOLUTION = "hls-resolution"
    HLS_FRAME_RATE = "hls-frame-rate"
    HLS_HAS_AVERAGE = "hls-has-average"
    HLS_INDEPENDENT = "hls-independent"
    HLS_LANGUAGE = "hls-language"
    HLS_ONE_TARGET = "hls-one-target"
    HLS_ONE_LENGTH = "hls-one-length"
    HLS_ACCURATE = "hls-accurate"
    HLS_SIX_SECONDS = "hls-six-seconds"
    HLS_TRICK = "hls-trick-play"
    HLS_WEBVTT = "hls-webvtt"
    HLS_TILES = "hls-tiles"
    HLS_KEY_FRAMES = "hls-key-frames"
    HLS_RANGE = "hls-video-range"
    HLS_SCORE = "hls-score"
    HLS_VARIANTS = "hls-variants"
    DASH_XML = "dash-xml"
    DASH_SCHEMA = "dash-schema"
    DASH_TIMELINE = "dash-timeline"
    DASH_NUMBERED = "dash-duration"
    DASH_BANDWIDTH = "dash-bandwidth"
    DASH_FETCH = "dash-fetch"
    DASH_TYPES = "dash-content-type"
    DASH_IDS = "dash-ids"
    DASH_LENGTH = "dash-length"
    DASH_PROTECTION = "dash-protection"
    DASH_CLEAR_KEY = "dash-clear-key"
    DASH_TILES = "dash-tiles"
    DASH_KEY_FRAMES = "dash-key-frames"
    WEBVTT = "webvtt"
    TTML = "ttml"
    PICTURE = "picture"
    BOXES = "boxes"
    CONTINUOUS = "continuous"
    SYNC_START = "sync-start"
    KID_TENC = "kid-tenc"
    SCHEME = "scheme"
    KID_LICENCE = "kid-licence"
    DECODES = "decodes"
    FRAMES = "frames"
    GRID = "grid"
    TEXT_INSIDE = "text-inside"
    TEXT_END = "text-end"
    THUMBNAILS = "thumbnails"
    SEEKING = "seeking"
    OFFSET = "a-v-offset"
    SAME_MEDIA = "same-media"
    INVENTORY = "inventory"
    AS_MADE = "as-made"


@dataclass(frozen=True, slots=True)
class Clause:
    """Where a rule is written, what it asks, and what a person does when it is broken."""

    standard: str
    number: str
    requirement: str
    remedy: str
    must: bool = True

    @property
    def name(self) -> str:
        return f"{self.standard} {self.number}"


def fault(rule: Rule, where: str, found: str) -> Fault:
    """A breach of a rule."""
    clause = CLAUSES[rule]
    return Fault(
        clause=clause.name,
        requirement=clause.requirement,
        where=where,
        found=found,
        remedy=clause.remedy,
        must=clause.must,
    )


_THUMBNAILS = "Make the thumbnails again, or correct what the manifest says of them."
_AGAIN = "Package the title again."
_MANIFEST = "Correct the manifest, or package the title again."

CLAUSES: dict[Rule, Clause] = {
    Rule.HLS_EXTM3U: Clause(_RFC, "4.4.1.1", "a playlist is UTF-8 and begins with #EXTM3U", _MANIFEST),
    Rule.HLS_VERSION: Clause(
        _RFC, "4.4.1.2", "one EXT-X-VERSION at most, as high as the tags in use need (section 8)", _MANIFEST
    ),
    Rule.HLS_TAGS: Clause(_RFC, "4.1", "a playlist is multivariant or media, never both; no tag twice", _MANIFEST),
    Rule.HLS_ATTRIBUTES: Clause(_RFC, "4.2", "no attribute name twice in a list, values of their types", _MANIFEST),
    Rule.HLS_TARGET: Clause(
        _RFC, "4.4.3.1", "EXTINF rounded to the nearest integer is at most the target duration", _MANIFEST
    ),
    Rule.HLS_ENDLIST: Clause(
        _RFC, "4.4.3.4", "a playlist that is complete ends with EXT-X-ENDLIST", "Publish the whole playlist again."
    ),
    Rule.HLS_TYPE: Clause(_APPLE, "8.6", "a playlist of a finished title is EXT-X-PLAYLIST-TYPE:VOD", _MANIFEST),
    Rule.HLS_EXTINF: Clause(
        _RFC, "4.4.4.1", "each segment has one EXTINF and one URI", "Publish the whole playlist again."
    ),
    Rule.HLS_KEY: Clause(
        _RFC, "4.4.4.4", "EXT-X-KEY has METHOD and URI, and no format that hands out the key itself", _MANIFEST
    ),
    Rule.HLS_MAP: Clause(_APPLE, "8.20", "fragmented MP4 has EXT-X-MAP", _MANIFEST),
    Rule.HLS_MEDIA: Clause(
        _RFC, "4.4.6.1", "EXT-X-MEDIA has TYPE, GROUP-ID and NAME; DEFAULT=YES never with AUTOSELECT=NO", _MANIFEST
    ),
    Rule.HLS_GROUP: Clause(
        _RFC, "4.4.6.1.1", "names differ within a group, and at most one member is the default", _MANIFEST
    ),
    Rule.HLS_VARIANT: Clause(
        _RFC, "4.4.6.2", "EXT-X-STREAM-INF has BANDWIDTH, a URI, and groups that exist", _MANIFEST
    ),
    Rule.HLS_SESSION_KEY: Clause(
        _RFC, "4.4.6.5", "session keys name the keys of the media playlists, each once, never NONE", _MANIFEST
    ),
    Rule.HLS_IFRAMES: Clause(
        _APPLE, "6.8", "the playlist of EXT-X-I-FRAME-STREAM-INF has EXT-X-I-FRAMES-ONLY", _MANIFEST
    ),
    Rule.HLS_PEAK: Clause(
        _APPLE, "1.27", "BANDWIDTH is within 10 % of the measured peak", "Declare the measured figure."
    ),
    Rule.HLS_AVERAGE: Clause(
        _APPLE, "1.26", "AVERAGE-BANDWIDTH is within 10 % of the measured average", "Declare the measured figure."
    ),
    Rule.HLS_PEAK_RATIO: Clause(
        _APPLE, "1.30", "the peak is no more than twice the average", "Lower the rung's max_bps.", must=False
    ),
    Rule.HLS_FETCH: Clause(_RFC, "6.2.1", "every URI of a playlist can be fetched", "Publish what is missing."),
    Rule.HLS_TYPES: Clause(
        _APPLE, "10.4", "content types are as recommended", "Set the type on the origin.", must=False
    ),
    Rule.HLS_CODECS: Clause(_APPLE, "9.1", "EXT-X-STREAM-INF has CODECS", _MANIFEST),
    Rule.HLS_RESOLUTION: Clause(_APPLE, "9.2", "EXT-X-STREAM-INF of video has RESOLUTION", _MANIFEST),
    Rule.HLS_FRAME_RATE: Clause(_APPLE, "9.15", "EXT-X-STREAM-INF of video has FRAME-RATE", _MANIFEST),
    Rule.HLS_HAS_AVERAGE: Clause(_APPLE, "9.14", "EXT-X-STREAM-INF has AVERAGE-BANDWIDTH", _MANIFEST),
    Rule.HLS_INDEPENDENT: Clause(
        _APPLE, "9.12", "EXT-X-INDEPENDENT-SEGMENTS is in the multivariant or in all video playlists", _MANIFEST
    ),
    Rule.HLS_LANGUAGE: Clause(
        _APPLE,
        "8.10",
        "EXT-X-MEDIA has LANGUAGE unless its type is VIDEO",
        "Give the sound's language in the master or in a sidecar.",
        must=False,  # a MUST of Apple's, but a master need not say, and inventing a language would be worse
    ),
    Rule.HLS_ONE_TARGET: Clause(
        _APPLE, "8.2", "audio and video playlists have one target duration", _MANIFEST, must=False
    ),
    Rule.HLS_ONE_LENGTH: Clause(
        _APPLE, "8.3", "audio and video playlists have one length", "Publish the whole playlist again."
    ),
    Rule.HLS_ACCURATE: Clause(_APPLE, "8.1", "sums of EXTINF are within one frame of the media", _MANIFEST),
    Rule.HLS_SIX_SECONDS: Clause(
        _APPLE,
        "7.5",
        "the target duration is 6 seconds",
        "Set gop_seconds and segment_gops in the profile so that a segment lasts six.",
        must=False,
    ),
    Rule.HLS_TRICK: Clause(_APPLE, "6.1", "I-frame playlists are provided", "Turn trick play on.", must=False),
    Rule.HLS_WEBVTT: Clause(
        _RFC, "3.1.4", "each segment of WebVTT has all cues that are shown in its time", "Cut the text again."
    ),
    Rule.HLS_TILES: Clause(
        "Roku image playlists", "EXT-X-TILES", "sheets of thumbnails are as large as their grid says", _THUMBNAILS
    ),
    Rule.HLS_KEY_FRAMES: Clause(
        _RFC, "4.4.3.6", "each segment of an I-frame playlist is one key frame, and no other picture", _AGAIN
    ),
    Rule.HLS_RANGE: Clause(_APPLE, "9.16", "VIDEO-RANGE is on every variant unless all are SDR", _MANIFEST),
    Rule.HLS_SCORE: Clause(_APPLE, "9.19", "SCORE is on every variant or on none", _MANIFEST),
    Rule.HLS_VARIANTS: Clause(_APPLE, "9.9", "there are several bit rates of video", "Add rungs.", must=False),
    Rule.DASH_XML: Clause(_DASH, "5.2.2", "an MPD is well-formed XML with MPD as its root", _MANIFEST),
    Rule.DASH_SCHEMA: Clause(_DASH, "Annex B", "an MPD is valid by the MPEG schema", _MANIFEST),
    Rule.DASH_TIMELINE: Clause(
        _DASH, "5.3.9.6", "times of SegmentTimeline are those of tfdt and trun", "Package the title again."
    ),
    Rule.DASH_NUMBERED: Clause(
        _DASH, "7.2.1", "segments of @duration differ from it by half at most", "Write a SegmentTimeline."
    ),
    Rule.DASH_BANDWIDTH: Clause(
        _DASH,
        "5.3.5.2",
        "@bandwidth feeds a client that has @minBufferTime, and is within 10 % of the measured peak",
        "Declare the measured figure.",
    ),
    Rule.DASH_FETCH: Clause(_DASH, "5.6", "every URL of an MPD can be fetched", "Publish what is missing."),
    Rule.DASH_TYPES: Clause(_DASH, "Annex C", "an MPD is application/dash+xml", "Set the type on the origin."),
    Rule.DASH_IDS: Clause(_DASH, "5.3.5.2", "ids of representations differ within a period", _MANIFEST),
    Rule.DASH_LENGTH: Clause(
        _DASH, "5.3.1.2", "a static MPD has a duration, and its media fill it", "Publish the whole manifest again."
    ),
    Rule.DASH_PROTECTION: Clause(
        _DASH, "5.8.4.1", "an encrypted set says mp4protection, its scheme and cenc:default_KID", _MANIFEST
    ),
    Rule.DASH_CLEAR_KEY: Clause(
        "DASH-IF IOP 6", "7.6.2.4", "a Clear Key descriptor has a licence URL and no pssh", _MANIFEST
    ),
    Rule.DASH_TILES: Clause(
        "DASH-IF IOP 5", "6.2.6", "sheets of thumbnails are as large as @width and @height, a whole grid", _THUMBNAILS
    ),
    Rule.DASH_KEY_FRAMES: Clause(
        "DASH-IF IOP 4.3",
        "3.2.9",
        "each sample of a set for trick modes is a key frame, unless @codingDependency is true",
        _AGAIN,
    ),
    Rule.WEBVTT: Clause(
        "W3C WebVTT", "4.1", "text is UTF-8 and WebVTT, its cues in the order of their starts", "Correct the text."
    ),
    Rule.TTML: Clause("ISO/IEC 14496-30", "5", "each sample of text is a TTML document", "Package the text again."),
    Rule.PICTURE: Clause("ISO/IEC 10918-1", "F.2", "each sheet of thumbnails decodes to its end", _THUMBNAILS),
    Rule.BOXES: Clause(_BMFF, "8.8", "a segment is whole boxes: moof with tfhd, tfdt, trun, then mdat", _AGAIN),
    Rule.CONTINUOUS: Clause(_APPLE, "7.3", "each tfdt continues from the segment before", _AGAIN),
    Rule.SYNC_START: Clause(_APPLE, "7.4", "a video segment starts with a sync sample", _AGAIN),
    Rule.KID_TENC: Clause(_CENC, "8.2", "the KID of tenc is the KID of the manifest", "Package with the right keys."),
    Rule.SCHEME: Clause(_CENC, "4.1", "the scheme of schm is the scheme of the manifest", _MANIFEST),
    Rule.KID_LICENCE: Clause(
        _EME, "9.1.4", "a licence request for the KIDs of a title returns their keys", "Look at the licence service."
    ),
    Rule.DECODES: Clause(_CENC, "9", "a track decrypts with the key of its licence and decodes to its end", _AGAIN),
    Rule.FRAMES: Clause(_OURS, "frames", "as many frames as the plan, lasting as long", "Encode the title again."),
    Rule.GRID: Clause(_OURS, "grid", "sync samples of all rungs are at the same times", "Encode the title again."),
    Rule.TEXT_INSIDE: Clause(
        _OURS, "text", "each cue is shown while the programme lasts", "Give the text the programme's own clock."
    ),
    Rule.TEXT_END: Clause(
        _OURS, "text end", "cues end with the programme", "Shorten the cue to the programme's end.", must=False
    ),
    Rule.THUMBNAILS: Clause(_OURS, "thumbnails", "there is a picture for every moment of the programme", _THUMBNAILS),
    Rule.SEEKING: Clause(
        _OURS, "seeking", "key frames for seeking are at times of the picture's own, from its start to its end", _AGAIN
    ),
    Rule.OFFSET: Clause(
        _OURS, "sync", "sound and picture begin together, within one frame", "Package the title again."
    ),
    Rule.SAME_MEDIA: Clause(_OURS, "one set", "DASH and HLS name the same segments and KIDs", _MANIFEST),
    Rule.INVENTORY: Clause(
        _OURS, "inventory", "every object has the size and SHA-256 of the inventory", "Publish the version again."
    ),
    Rule.AS_MADE: Clause(_OURS, "as made", "decrypted samples are those of the renditions, on the plan's grid", _AGAIN),
}
