// shaka-player set up for one session: licences with the session's token, and every edge as a source of every file.

import { licenseToken } from "./service.js";

const CLEAR_KEY = "org.w3.clearkey";
const WIDEVINE = "com.widevine.alpha";
const COMMON_SYSTEM_ID = [0x10, 0x77, 0xef, 0xec, 0xc0, 0xb2, 0x4d, 0x02, 0xac, 0xe3, 0x3c, 0x1e, 0x52, 0xe2, 0xfb, 0x4b];

// The protection scheme without which this browser decrypts nothing: cenc where it says so and does not take cbcs (EME,
// encryptionScheme of a capability; a browser that does not know it leaves it out of its answer).
export async function neededScheme() {
  const takes = async (encryptionScheme) => {
    const videoCapabilities = [{ contentType: 'video/mp4; codecs="avc1.42E01E"', encryptionScheme }];
    const asked = [{ initDataTypes: ["cenc"], videoCapabilities }];
    const access = await navigator.requestMediaKeySystemAccess?.(CLEAR_KEY, asked).catch(() => null);
    return access?.getConfiguration().videoCapabilities[0].encryptionScheme === encryptionScheme;
  };
  return !(await takes("cbcs")) && (await takes("cenc")) ? "cenc" : undefined;
}

export async function createPlayer(video, captions, session, format) {
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  player.setVideoContainer(captions); // before the video: what draws text is chosen when that comes
  await player.attach(video);
  player.configure(configuration(session, format));
  const edges = new Edges(session, format);
  const network = player.getNetworkingEngine();
  network.registerRequestFilter((type, request) => filterRequest(type, request, session, edges));
  network.registerResponseFilter((type, response) => edges.answered(response.uri));
  return { player, edges };
}

function configuration(session, format) {
  // a dead edge must be noticed well within the buffer
  const retryParameters = { maxAttempts: 4, baseDelay: 250, timeout: 12000, connectionTimeout: 2500, stallTimeout: 3000 };
  return {
    abr: { restrictToElementSize: true },
    manifest: { retryParameters },
    streaming: { retryParameters, bufferingGoal: 30, rebufferingGoal: 1 },
    drm: { retryParameters: { maxAttempts: 3, timeout: 8000 }, ...protection(session, format) },
  };
}

// A DASH manifest names Clear Key itself. HLS has no such line that shaka reads as a licence server's, so there the
// Widevine line, which carries the KID, stands for it.
function protection(session, format) {
  if (format === "dash") return { servers: { [CLEAR_KEY]: session.license_url }, preferredKeySystems: [CLEAR_KEY] };
  return {
    servers: { [WIDEVINE]: session.license_url },
    keySystemsMapping: { [WIDEVINE]: CLEAR_KEY },
    preferredKeySystems: [CLEAR_KEY],
    initDataTransform: (initData, _type, drmInfo) =>
      drmInfo && drmInfo.keyIds.size > 0 ? commonPssh([...drmInfo.keyIds]) : initData,
  };
}

// A version 1 'pssh' box of the common system (W3C EME, "cenc" initialization data) that names every KID.
export function commonPssh(kids) {
  const box = new Uint8Array(32 + 16 * kids.length + 4);
  const view = new DataView(box.buffer);
  view.setUint32(0, box.length);
  box.set([0x70, 0x73, 0x73, 0x68, 1, 0, 0, 0], 4);
  box.set(COMMON_SYSTEM_ID, 12);
  view.setUint32(28, kids.length);
  kids.sort().forEach((kid, index) => box.set(kid.match(/../g).map((hex) => parseInt(hex, 16)), 32 + 16 * index));
  return box;
}

async function filterRequest(type, request, session, edges) {
  const { RequestType } = shaka.net.NetworkingEngine;
  if (type === RequestType.LICENSE) {
    request.uris = [session.license_url]; // a manifest's own address never gets the token
    request.headers.Authorization = `Bearer ${await licenseToken(session)}`;
    request.headers["Content-Type"] = "application/json";
  } else if (Object.values(session.session_manifests).includes(request.uris[0])) {
    request.headers.Authorization = `Bearer ${session.playback_token}`;
  } else if (type === RequestType.MANIFEST || type === RequestType.SEGMENT) {
    request.uris = edges.sourcesOf(request.uris[0]);
  }
}

// Where each file can come from. Edges hold the same immutable files, so a retry may ask another one: shaka goes through
// the addresses of a request in order. The edge that answered last is asked first.
class Edges {
  constructor(session, format) {
    const path = `/p/${session.title}/${session.version}/`;
    this.roots = session.manifests.map((links) => ({
      edge: links.edge,
      root: links[format].slice(0, links[format].indexOf(path) + path.length),
    }));
    this.current = this.roots[0].edge;
  }

  sourcesOf(uri) {
    const from = this.roots.find(({ root }) => uri.startsWith(root));
    if (!from) return [uri];
    const file = uri.slice(from.root.length);
    const preferred = this.roots.filter(({ edge }) => edge === this.current);
    const others = this.roots.filter(({ edge }) => edge !== this.current);
    return [...preferred, ...others].map(({ root }) => root + file);
  }

  // A file beside the media, from the first edge that has it.
  async fetch(uri) {
    for (const address of this.sourcesOf(uri)) {
      const answer = await fetch(address).catch(() => null);
      if (answer?.ok) return answer;
    }
    throw new Error(`No edge has ${uri}`);
  }

  answered(uri) {
    const from = this.roots.find(({ root }) => uri.startsWith(root));
    if (from) this.current = from.edge;
  }
}
