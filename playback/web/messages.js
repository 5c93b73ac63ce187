// What a person reads when something does not work: one heading, one sentence that says what to do.

const BY_REASON = {
  "token-missing": [
    "Sign in to watch",
    "This title needs a signed-in viewer. Open the link that was printed for you, or paste a viewer token here.",
  ],
  "token-expired": ["Sign in again", "Your sign-in has expired. Ask for a new viewer token and paste it here."],
  "token-invalid": ["Sign in again", "This viewer token is damaged or was made for another installation."],
  "token-foreign": ["Sign in again", "This is not a viewer token. Paste the one that `telecine token` prints."],
  "not-entitled": ["Not in your plan", "Your account may not watch this title."],
  "entitlement-expired": ["No longer in your plan", "The right to watch this title has expired."],
  "too-many-sessions": ["Too many screens", "Your account plays on as many screens as it may. Stop one and try again."],
  "title-not-live": ["Not here yet", "There is no live title at this address. It may still be in the making."],
  "scheme-not-there": ["This browser cannot play it", "The title is encrypted in a way this browser does not decrypt."],
  "session-ended": ["Session ended", "This session was ended. Start again to keep watching where you stopped."],
  unavailable: ["One moment", "The playback service is restarting or busy. Try again in a few seconds."],
  unreachable: ["No connection", "The playback service does not answer. Check your connection and try again."],
  "no-edges": ["Nowhere to play from", "This installation has no edge to deliver the title."],
  "edges-failed": ["Delivery failed", "No edge could deliver this title just now. Try again in a moment."],
  "license-refused": ["Not allowed to play", "The licence service refused the keys of this title."],
  "browser-drm": [
    "This browser cannot play it",
    "Protected video needs a current browser and an address that starts with https:// or http://localhost.",
  ],
  "player-missing": ["Player not installed", "The player library is missing on this server: run `make install` there."],
  media: ["Playback stopped", "The video could not be decoded here."],
};

const SIGN_IN = new Set(["token-missing", "token-expired", "token-invalid", "token-foreign"]);

export function explain(reason, detail) {
  const [heading, text] = BY_REASON[reason] ?? ["Playback stopped", detail || "Something unexpected happened."];
  return { reason, heading, text, detail: detail ?? "", signIn: SIGN_IN.has(reason) };
}

// A shaka-player error as one of the reasons above.
export function explainPlayerError(error) {
  const { Category, Code } = shaka.util.Error;
  const detail = `Player error ${error.code}`;
  if (error.code === Code.LICENSE_REQUEST_FAILED) return explainLicence(error, detail);
  if (error.category === Category.NETWORK) return explain("edges-failed", detail);
  if (error.category === Category.DRM) return explain("browser-drm", detail);
  return explain(error.category === Category.MEDIA ? "media" : "player", detail);
}

function explainLicence(error, detail) {
  const answer = error.data[0]?.data?.[2]; // of a bad status: address, status, text of the answer
  let problem = {};
  try {
    problem = JSON.parse(answer);
  } catch {
    return explain(error.data[0]?.code ? "unreachable" : "license-refused", detail);
  }
  if (problem.status === 503) return explain("unavailable", problem.detail);
  return explain(BY_REASON[problem.reason] ? problem.reason : "license-refused", problem.detail);
}
