// What the seek bar shows of a title: the picture at a time, and its chapters.

import { clock } from "./clock.js";

const byId = (id) => document.getElementById(id);
const CHAPTERS = /^#EXT-X-SESSION-DATA:.*DATA-ID="com\.apple\.hls\.chapters".*URI="([^"]+)"/m;

export class SeekPreview {
  constructor(video, seek) {
    Object.assign(this, { video, seek, chapters: [], sheets: new Map(), wanted: null });
    seek.addEventListener("pointermove", (event) => this.show(this.timeAt(event.clientX)));
    seek.addEventListener("input", () => this.show(Number(seek.value)));
    for (const name of ["pointerleave", "blur", "change"]) seek.addEventListener(name, () => this.hide());
    byId("chapter").addEventListener("change", (event) => this.enter(this.chapters[Number(event.target.value)]));
    video.addEventListener("timeupdate", () => this.reflect());
    video.addEventListener("durationchange", () => this.mark());
  }

  use(player, edges, chapters) {
    Object.assign(this, { player, edges, chapters });
    [this.images] = player.getImageTracks();
    byId("chapter").replaceChildren(...chapters.map(({ title }, index) => new Option(title, String(index))));
    byId("chapter").closest("label").hidden = chapters.length === 0;
    this.mark();
    this.reflect();
  }

  // The chapter after (+1) the one that plays; before (-1) it, or its own start where that is some seconds ago.
  step(by) {
    const now = this.video.currentTime;
    const at = this.chapters.findLastIndex((chapter) => chapter.start <= now + 0.1);
    const within = at >= 0 && now - this.chapters[at].start > 3;
    this.enter(this.chapters[by > 0 ? at + 1 : Math.max(0, within ? at : at - 1)]);
  }

  enter(chapter) {
    if (chapter) this.video.currentTime = chapter.start;
  }

  mark() {
    const { duration } = this.video;
    const inside = this.chapters.filter(({ start }) => start > 0 && start < duration);
    byId("marks").replaceChildren(...inside.map(({ start }) => {
      const mark = document.createElement("span");
      mark.style.left = `${(100 * start) / duration}%`;
      return mark;
    }));
  }

  reflect() {
    const at = this.chapters.findLastIndex((chapter) => chapter.start <= this.video.currentTime + 0.1);
    if (at >= 0 && document.activeElement !== byId("chapter")) byId("chapter").value = String(at);
  }

  timeAt(x) {
    const { left, width } = this.seek.getBoundingClientRect();
    return Math.max(0, Math.min(1, (x - left) / width)) * (this.video.duration || 0);
  }

  async show(time) {
    const box = byId("preview");
    const chapter = this.chapters.findLast(({ start }) => start <= time);
    byId("preview-time").textContent = clock(time);
    byId("preview-chapter").textContent = chapter?.title ?? "";
    const share = this.video.duration ? time / this.video.duration : 0;
    box.style.left = `clamp(5.2rem, ${100 * share}%, 100% - 5.2rem)`;
    box.hidden = false;
    this.wanted = time;
    byId("preview-picture").hidden = !this.images;
    if (!this.images) return;
    const found = await this.player.getThumbnails(this.images.id, time).catch(() => null);
    const sheet = found && await this.sheet(found.uris[0]);
    if (sheet && this.wanted === time) this.draw(sheet, found);
  }

  draw(sheet, { positionX, positionY, width, height, startTime }) {
    const canvas = byId("preview-picture");
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(sheet, positionX, positionY, width, height, 0, 0, width, height);
    canvas.dataset.start = String(startTime);
  }

  // Sheets are fetched once, as text of this page is: no address of an edge needs to be let into an <img>.
  sheet(uri) {
    if (!this.sheets.has(uri)) {
      const fetched = this.edges.fetch(uri).then((answer) => answer.blob()).then(createImageBitmap);
      this.sheets.set(uri, fetched.catch(() => this.sheets.delete(uri) && null));
    }
    return this.sheets.get(uri);
  }

  hide() {
    this.wanted = null;
    byId("preview").hidden = true;
  }
}

// The chapters that the multivariant playlist names (com.apple.hls.chapters); DASH has no place of its own for them.
export async function readChapters(session, edges) {
  const headers = { Authorization: `Bearer ${session.playback_token}` };
  try {
    const playlist = await (await fetch(session.session_manifests.hls, { headers })).text();
    const uri = CHAPTERS.exec(playlist)?.[1];
    const listed = uri ? await (await edges.fetch(uri)).json() : [];
    return listed.map((one) => ({ start: one["start-time"], title: one.titles[0]?.title ?? `Chapter ${one.chapter}` }));
  } catch {
    return []; // a title plays without its chapters
  }
}
