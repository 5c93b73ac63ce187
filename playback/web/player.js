// The player page: token -> session -> stream, with one state that people see and tests read (window.telecine).

import { clock } from "./clock.js";
import { Controls } from "./controls.js";
import { explain, explainPlayerError } from "./messages.js";
import { showStatus } from "./panel.js";
import { readChapters } from "./seeking.js";
import { endSession, openSession, sendHeartbeat } from "./service.js";
import { createPlayer, neededScheme } from "./streaming.js";
import { keepToken, viewerOf, viewerToken } from "./token.js";
import { Choices } from "./tracks.js";

const byId = (id) => document.getElementById(id);
const stage = byId("stage");
const video = byId("video");
const title = decodeURIComponent(location.pathname.split("/")[2]);
const format = new URLSearchParams(location.search).get("format") === "hls" ? "hls" : "dash";
const controls = new Controls(stage, video);
const RESUME_FROM_S = 5; // nearer to the start or the end than this, a title starts over

let session = null;
let stopHeartbeat = () => {};
let stopStatus = () => {};

window.telecine = { state: "starting", error: null, player: null };

function enter(state) {
  window.telecine.state = state;
  stage.dataset.state = state;
  byId("state").textContent = { starting: "opening", failed: "stopped", "signed-out": "signed out" }[state] ?? state;
}

function fail(message) {
  if (window.telecine.error) return;
  window.telecine.error = message;
  stopHeartbeat();
  stopStatus();
  video.pause();
  byId("message-heading").textContent = message.heading;
  byId("message-text").textContent = message.text;
  byId("message-detail").textContent = message.detail;
  byId("sign-in").hidden = !message.signIn;
  byId("again").hidden = message.signIn;
  byId("message").hidden = false;
  enter(message.signIn ? "signed-out" : "failed");
  (message.signIn ? byId("token") : byId("again")).focus();
}

function follow(player) {
  const states = { playing: "playing", pause: "paused", waiting: "buffering", ended: "ended" };
  for (const [name, state] of Object.entries(states)) {
    video.addEventListener(name, () => {
      if (!window.telecine.error) enter(state);
    });
  }
  player.addEventListener("error", (event) => {
    if (event.detail.severity === shaka.util.Error.Severity.CRITICAL) fail(explainPlayerError(event.detail));
  });
}

function keepAlive() {
  const beat = () => {
    const known = ["playing", "paused", "buffering", "ended"];
    const state = known.includes(window.telecine.state) ? window.telecine.state : "paused";
    return sendHeartbeat(session, { position_s: video.currentTime, state }).catch(async (error) => {
      if (![401, 403, 410].includes(error.status)) return; // a service that restarts is no reason to stop
      fail(explain("session-ended"));
      await window.telecine.player.unload(); // Clear Key cannot be taken back: the page lets go of the media
    });
  };
  const timer = setInterval(beat, session.heartbeat_interval_s * 1000);
  for (const name of ["pause", "seeked", "ended"]) video.addEventListener(name, beat);
  const leave = () => endSession(session, video.ended ? 0 : video.currentTime).catch(() => {});
  window.addEventListener("pagehide", leave);
  stopHeartbeat = () => {
    clearInterval(timer);
    for (const name of ["pause", "seeked", "ended"]) video.removeEventListener(name, beat);
    window.removeEventListener("pagehide", leave);
  };
}

function describe() {
  document.title = `${session.name} · Telecine`;
  byId("name").textContent = session.name;
  for (const [name, text] of Object.entries({ version: session.version, format: format.toUpperCase() })) {
    document.querySelector(`[data-fact="${name}"]`).textContent = text;
  }
  byId("status").hidden = false;
}

async function begin(startedAt) {
  const { player, edges } = await createPlayer(video, byId("captions-area"), session, format);
  window.telecine.player = player;
  follow(player);
  const chapters = readChapters(session, edges);
  const resume = session.resume_position_s;
  await player.load(session.session_manifests[format], resume > RESUME_FROM_S ? resume : undefined);
  if (resume > RESUME_FROM_S && video.duration - resume < RESUME_FROM_S) video.currentTime = 0;
  else if (resume > RESUME_FROM_S) notice(`Resumed at ${clock(resume)}`);
  controls.use(player, new Choices(viewerOf(viewerToken())), edges, await chapters);
  stopStatus = showStatus(video, { player, edges }, startedAt);
  keepAlive();
  if (!window.telecine.error) enter("ready");
  await video.play().catch(() => {}); // a browser may want a click first: the big button is there
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").classList.add("shown");
  setTimeout(() => byId("notice").classList.remove("shown"), 4000);
}

async function start() {
  const startedAt = performance.now();
  enter("starting");
  byId("name").textContent = title;
  const token = viewerToken();
  for (const link of document.querySelectorAll("[data-format]")) {
    link.href = `?format=${link.dataset.format}`;
    if (link.dataset.format === format) link.setAttribute("aria-current", "page");
  }
  if (!window.shaka) return fail(explain("player-missing"));
  if (!token) return fail(explain("token-missing"));
  try {
    session = await openSession(title, token, await neededScheme());
    describe();
    if (session.manifests.length === 0) return fail(explain("no-edges"));
    await begin(startedAt);
  } catch (error) {
    fail(error instanceof shaka.util.Error ? explainPlayerError(error) : explain(error.reason, error.message));
  }
  return undefined;
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(byId("token").value);
  location.reload();
});
byId("again").addEventListener("click", () => location.reload());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // brought back from the browser's cache with a session that was ended
});

start();
