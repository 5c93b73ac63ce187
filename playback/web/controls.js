// The player's controls: buttons, sliders, menus and keys. Knows the video and the player, nothing of sessions.

import { clock } from "./clock.js";
import { rate } from "./panel.js";
import { SeekPreview } from "./seeking.js";
import { TrackMenus, fill } from "./tracks.js";

const SEEK_S = 10;
const IDLE_MS = 2800;
const byId = (id) => document.getElementById(id);

export class Controls {
  constructor(stage, video) {
    this.stage = stage;
    this.video = video;
    this.player = null;
    this.seek = byId("seek");
    this.menus = new TrackMenus();
    this.preview = new SeekPreview(video, this.seek);
    this.bindButtons();
    this.bindTime();
    this.bindKeys();
    this.bindIdle();
  }

  bindButtons() {
    const { video } = this;
    byId("play").addEventListener("click", () => this.toggle());
    byId("big-play").addEventListener("click", () => this.toggle());
    video.addEventListener("click", () => this.toggle());
    byId("mute").addEventListener("click", () => this.mute());
    byId("volume").addEventListener("input", (event) => {
      video.volume = Number(event.target.value);
      video.muted = video.volume === 0;
    });
    byId("fullscreen").addEventListener("click", () => this.fullscreen());
    byId("quality").addEventListener("change", (event) => this.chooseQuality(event.target.value));
    for (const name of ["play", "pause", "ended", "volumechange"]) video.addEventListener(name, () => this.reflect());
    document.addEventListener("fullscreenchange", () => this.reflect());
  }

  bindTime() {
    const { video, seek } = this;
    video.addEventListener("timeupdate", () => this.reflectTime());
    video.addEventListener("durationchange", () => this.reflectTime());
    video.addEventListener("progress", () => this.reflectTime());
    seek.addEventListener("input", () => {
      video.currentTime = Number(seek.value);
      this.reflectTime();
    });
  }

  bindKeys() {
    const seekBy = (step) => () => {
      this.video.currentTime = Math.max(0, Math.min(this.video.duration || 0, this.video.currentTime + step));
    };
    const louder = (step) => () => {
      this.video.volume = Math.max(0, Math.min(1, this.video.volume + step));
      this.video.muted = this.video.volume === 0;
    };
    const keys = {
      " ": () => this.toggle(), k: () => this.toggle(), m: () => this.mute(), f: () => this.fullscreen(),
      c: () => this.menus.toggleText(), n: () => this.preview.step(1), p: () => this.preview.step(-1),
      ArrowLeft: seekBy(-SEEK_S), ArrowRight: seekBy(SEEK_S), j: seekBy(-SEEK_S),
      l: seekBy(SEEK_S), ArrowUp: louder(0.1), ArrowDown: louder(-0.1),
    };
    document.addEventListener("keydown", (event) => {
      const act = keys[event.key];
      const typing = event.target.closest?.("input, select, button, a, summary, textarea");
      if (!act || typing || event.ctrlKey || event.metaKey || event.altKey || !this.player) return;
      event.preventDefault();
      this.wake();
      act();
    });
  }

  bindIdle() {
    this.wake = () => {
      clearTimeout(this.idleTimer);
      this.stage.classList.remove("idle");
      this.idleTimer = setTimeout(() => {
        const busy = this.video.paused || this.stage.querySelector(".bar:focus-within");
        if (!busy) this.stage.classList.add("idle");
      }, IDLE_MS);
    };
    for (const name of ["pointermove", "pointerdown", "focusin"]) this.stage.addEventListener(name, this.wake);
  }

  // Give the controls a loaded player, what its viewer chose before, where pictures come from, and the chapters.
  use(player, choices, edges, chapters) {
    this.player = player;
    this.menus.use(player, choices);
    this.preview.use(player, edges, chapters);
    this.stage.classList.add("loaded");
    this.listTracks();
    player.addEventListener("trackschanged", () => this.listTracks());
    player.addEventListener("adaptation", () => this.nameAutomatic());
    this.reflect();
    this.wake();
  }

  listTracks() {
    const sizes = new Map();
    for (const track of this.player.getVideoTracks()) {
      if (track.height && (sizes.get(track.height)?.bandwidth ?? 0) < track.bandwidth) sizes.set(track.height, track);
    }
    this.videoTracks = [...sizes.values()].sort((a, b) => b.height - a.height);
    const quality = this.videoTracks.map((track) => [String(track.height), `${track.height}p, ${rate(track.bandwidth)}`]);
    fill(byId("quality"), [["auto", "Auto"], ...quality]);
    if (!this.player.getConfiguration().abr.enabled) byId("quality").value = String(this.activeHeight());
    this.nameAutomatic();
  }

  activeHeight() {
    return this.player.getVariantTracks().find((track) => track.active)?.height ?? "";
  }

  nameAutomatic() {
    const height = this.activeHeight();
    byId("quality").options[0].textContent = height ? `Auto (${height}p)` : "Auto";
  }

  chooseQuality(value) {
    this.player.configure("abr.enabled", value === "auto");
    const track = this.videoTracks.find((each) => String(each.height) === value);
    if (track) this.player.selectVideoTrack(track, true, 2);
  }

  toggle() {
    if (!this.player) return;
    if (this.video.paused) this.video.play().catch(() => {}); // refused autoplay: the big button stays
    else this.video.pause();
  }

  mute() {
    this.video.muted = !this.video.muted;
  }

  fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.requestFullscreen().catch(() => {});
  }

  reflect() {
    const { video } = this;
    const silent = video.muted || video.volume === 0;
    this.stage.classList.toggle("paused", video.paused);
    this.stage.classList.toggle("silent", silent);
    byId("play").setAttribute("aria-label", video.paused ? "Play" : "Pause");
    byId("mute").setAttribute("aria-label", silent ? "Unmute" : "Mute");
    byId("fullscreen").setAttribute("aria-label", document.fullscreenElement ? "Leave full screen" : "Full screen");
    byId("volume").value = String(silent ? 0 : video.volume);
    this.wake();
  }

  reflectTime() {
    const { video, seek } = this;
    const duration = Number.isFinite(video.duration) ? video.duration : 0;
    const end = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
    const share = (seconds) => `${duration ? (100 * seconds) / duration : 0}%`;
    seek.max = String(duration);
    seek.value = String(video.currentTime);
    seek.style.setProperty("--played", share(video.currentTime));
    seek.style.setProperty("--loaded", share(end));
    seek.setAttribute("aria-valuetext", `${clock(video.currentTime)} of ${clock(duration)}`);
    byId("time").textContent = `${clock(video.currentTime)} / ${clock(duration)}`;
  }
}
