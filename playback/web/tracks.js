// What a viewer hears and reads: the audio and subtitle menus, named as people expect, and what was chosen last time.

const byId = (id) => document.getElementById(id);
const SLOT = "telecine.choices";

// Choices of one viewer of this browser: whoever signs in next has their own.
export class Choices {
  constructor(viewer) {
    this.slot = `${SLOT}.${viewer}`;
    try {
      this.kept = JSON.parse(localStorage.getItem(this.slot)) ?? {};
    } catch {
      this.kept = {}; // storage is off, or holds what this page never wrote
    }
  }

  keep(name, value) {
    this.kept[name] = value;
    try {
      localStorage.setItem(this.slot, JSON.stringify(this.kept));
    } catch {
      // a browser that stores nothing plays all the same
    }
  }
}

export class TrackMenus {
  constructor() {
    this.choices = new Choices("");
    byId("audio").addEventListener("change", (event) => this.chooseAudio(Number(event.target.value)));
    byId("subtitles").addEventListener("change", (event) => this.chooseText(event.target.value));
    byId("captions").addEventListener("click", () => this.toggleText());
  }

  use(player, choices) {
    this.player = player;
    this.choices = choices;
    this.list();
    this.restore();
    player.addEventListener("trackschanged", () => this.list());
    player.addEventListener("textchanged", () => this.reflect());
  }

  list() {
    this.audio = this.player.getAudioTracks();
    this.texts = this.player.getTextTracks().toSorted((a, b) => textName(a).localeCompare(textName(b)));
    fill(byId("audio"), distinct(this.audio.map(audioName)).map((name, index) => [String(index), name]));
    fill(byId("subtitles"), [["off", "Off"], ...this.texts.map((track) => [String(track.id), textName(track)])]);
    byId("audio").closest("label").hidden = this.audio.length < 2;
    byId("subtitles").closest("label").hidden = this.texts.length === 0;
    byId("captions").hidden = this.texts.length === 0;
    this.reflect();
  }

  // As the viewer left it, where this title has such a track.
  restore() {
    const { audio, text } = this.choices.kept;
    const heard = audio && this.audio.find((track) => alike(described(track), audio));
    if (heard && !heard.active) this.player.selectAudioTrack(heard);
    const read = text && this.texts.find((track) => alike(described(track), text));
    if (read) this.player.selectTextTrack(read);
    else this.prepareText();
    this.reflect();
  }

  // In HLS shaka-player learns the times of text from the next segment of picture: its reader of text has to be there
  // before the last one comes, or text turned on later would wait for ever.
  prepareText() {
    if (this.texts.length === 0 || this.texts.some((track) => track.active)) return;
    this.player.selectTextTrack(this.texts[0]);
    this.player.selectTextTrack(null);
  }

  reflect() {
    const shown = this.player.getTextTracks().find((track) => track.active);
    byId("audio").value = String(Math.max(0, this.player.getAudioTracks().findIndex((track) => track.active)));
    byId("subtitles").value = shown ? String(shown.id) : "off";
    byId("captions").setAttribute("aria-pressed", String(Boolean(shown)));
  }

  chooseAudio(index) {
    const track = this.player.getAudioTracks()[index];
    this.player.selectAudioTrack(track);
    this.choices.keep("audio", described(track));
  }

  chooseText(value) {
    const track = this.texts.find((each) => String(each.id) === value) ?? null;
    this.player.selectTextTrack(track);
    if (track) this.lastText = track.id;
    this.choices.keep("text", track ? described(track) : null);
    this.reflect();
  }

  // Off, or what was read last; else the language that is heard, in full before what is forced.
  toggleText() {
    if (!this.player || this.texts.length === 0) return;
    if (byId("subtitles").value !== "off") return void this.chooseText("off");
    const heard = this.player.getAudioTracks().find((track) => track.active)?.language;
    const whole = this.texts.filter((track) => !isForced(track));
    const wanted = this.texts.find((track) => track.id === this.lastText) ?? whole.find((t) => t.language === heard);
    this.chooseText(String((wanted ?? whole[0] ?? this.texts[0]).id));
  }
}

export function textName(track) {
  const named = track.label || languageName(track.language) || "Subtitles";
  const lower = named.toLowerCase();
  if (isForced(track) && !lower.includes("forced")) return `${named} (forced)`;
  if (isForHardOfHearing(track) && !/sdh|\bcc\b/.test(lower)) return `${named} SDH`;
  return named;
}

export function audioName(track) {
  const channels = track.spatialAudio ? "Atmos" : track.channelsCount > 2 ? "5.1" : "Stereo";
  const language = languageName(track.language);
  const spoken = track.label || (language ? `${language}, ${channels}` : channels);
  const role = audioRole(track);
  return role && !spoken.toLowerCase().includes(role) ? `${spoken} (${role})` : spoken;
}

function audioRole(track) {
  const said = [...track.roles, track.accessibilityPurpose ?? ""].join(" ").toLowerCase();
  if (said.includes("commentary")) return "commentary";
  if (/descri|visually/.test(said)) return "audio description";
  return "";
}

function isForced(track) {
  return track.forced || track.roles.some((role) => role.startsWith("forced"));
}

function isForHardOfHearing(track) {
  const said = [...track.roles, track.accessibilityPurpose ?? "", track.kind ?? ""].join(" ").toLowerCase();
  return /caption|hard of hearing|transcribes/.test(said);
}

// What makes a track of another title the same choice.
function described(track) {
  const purpose = "channelsCount" in track ? audioRole(track) : `${isForced(track)} ${isForHardOfHearing(track)}`;
  return { language: track.language, purpose, channels: track.channelsCount ?? 0 };
}

function alike(one, other) {
  return one.language === other.language && one.purpose === other.purpose && one.channels === other.channels;
}

// A language by the name its own speakers give it.
function languageName(tag) {
  if (!tag || tag === "und") return "";
  try {
    const name = new Intl.DisplayNames([tag], { type: "language" }).of(tag);
    return name.charAt(0).toLocaleUpperCase(tag) + name.slice(1);
  } catch {
    return tag;
  }
}

function distinct(names) {
  return names.map((name, index) => {
    const before = names.slice(0, index).filter((each) => each === name).length;
    return before ? `${name} ${before + 1}` : name;
  });
}

export function fill(select, choices) {
  const chosen = select.value;
  select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}
