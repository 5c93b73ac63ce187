// The upload page: Uppy sends parts to the store, the service signs them and remembers; this page holds nothing.
import { AwsS3, Dashboard, Uppy } from "./uppy.mjs";
import { el, linkTo, option } from "../assets/board_dom.js";
import { followLight } from "../assets/board_theme.js";
import * as api from "./upload_api.js";
import { bytes, findingsOf, planOf } from "./upload_plan.js";

const TEXTS = /\.(srt|vtt|ttml|xml|imsc|dfxp|scc)$/i;
const SOUNDS = /\.(ya?ml|eac3|ec3|ac3|w64|m4a)$/i;
const EITHER = /\.(wav|flac|mka)$/i;
const LOOK_MS = 1000;

const $ = (id) => document.getElementById(id);
const form = $("title");
const digests = new Map();
const uploadOf = new Map();
let uploads = [];
let planned = "";
let beginning = 0;
let following = 0;

const freshDelivery = () => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
let delivery = freshDelivery();

function tell(problem) {
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
}

function digestOf(file) {
  return new Promise((done, failed) => {
    const worker = new Worker(new URL("upload_digest.js", import.meta.url));
    worker.onmessage = ({ data }) => {
      worker.terminate();
      if (data.sha256) done(data.sha256);
      else failed(new Error(data.problem));
    };
    worker.onerror = (event) => failed(new Error(event.message || "The digest could not be computed."));
    worker.postMessage(file);
  });
}

const uppy = new Uppy({ autoProceed: false, allowMultipleUploadBatches: true });
uppy.use(Dashboard, {
  inline: true,
  target: "#drop",
  width: "100%",
  height: 320,
  hideUploadButton: true,
  hideRetryButton: false,
  proudlyDisplayPoweredByUppy: false,
  note: "A master, and beside it sidecars of sound (YAML, WAV, …) and subtitles (SRT, WebVTT, TTML, SCC).",
});
followLight((theme) => uppy.getPlugin("Dashboard").setOptions({ theme }));
uppy.use(AwsS3, {
  shouldUseMultipart: true,
  limit: 4,
  retryDelays: [0, 1000, 3000, 5000, 10000, 20000, 30000],
  getChunkSize: ({ size }) => [...uploadOf.values()].find((one) => one.size_bytes === size)?.part_bytes,
  createMultipartUpload: (file) => ({ uploadId: uploadOf.get(file.id).upload_id, key: uploadOf.get(file.id).key }),
  async listParts(file, { uploadId }) {
    const { parts } = await api.show(uploadId);
    return parts.map((part) => ({ PartNumber: part.number, Size: part.size_bytes, ETag: part.etag }));
  },
  signPart: async (file, { uploadId, partNumber }) => ({ method: "PUT", url: await api.sign(uploadId, partNumber) }),
  abortMultipartUpload: (file, { uploadId }) => api.giveUp(uploadId).then(refresh),
  async completeMultipartUpload(file, { uploadId }) {
    const sha256 = await digests.get(file.id);
    const upload = await api.complete(uploadId, sha256);
    follow();
    return { location: upload.key };
  },
});

function kindOf(name) {
  if (TEXTS.test(name)) return "subtitles";
  if (SOUNDS.test(name)) return "audio";
  const pictures = [...uppy.getFiles(), ...here()].some((one) => ![TEXTS, SOUNDS, EITHER].some((form) => form.test(one.name)));
  return EITHER.test(name) && pictures ? "audio" : "master";
}

// The upload of this very file that is there already, perhaps of another day or browser; else a new one of this title.
async function begin(file) {
  const kept = uploads.find((one) => one.name === file.name && one.size_bytes === file.size && one.state === "uploading");
  if (kept) delivery = kept.delivery;
  const wanted = { name: file.name, size_bytes: file.size, kind: kept ? kept.kind : kindOf(file.name), delivery };
  const { upload } = await api.start(wanted);
  if (upload.state !== "uploading") {
    uppy.removeFile(file.id);
    return;
  }
  uploadOf.set(file.id, upload);
  const digest = digestOf(file.data);
  digest.catch((error) => tell(error.message));
  digests.set(file.id, digest);
  // known to the store already: Uppy asks which parts are there before it sends any
  uppy.setFileState(file.id, { s3Multipart: { uploadId: upload.upload_id, key: upload.key } });
}

uppy.on("file-added", async (file) => {
  tell("");
  beginning += 1;
  try {
    await begin(file);
  } catch (error) {
    tell(error.message);
    uppy.removeFile(file.id);
  }
  beginning -= 1;
  if (beginning === 0) {
    await refresh();
    await uppy.upload().catch((error) => tell(error.message));
  }
});
uppy.on("upload-error", (file, error) => tell(`${file.name}: ${error.message} What arrived is kept; choose it again to go on.`));

const here = () => uploads.filter((one) => one.delivery === delivery);

function stateOf(upload) {
  if (upload.problem) return upload.problem;
  const sending = [...uploadOf.values()].some((one) => one.upload_id === upload.upload_id);
  return upload.state === "uploading" && !sending ? "unfinished: choose the same file again to go on" : upload.state;
}

function draw() {
  const row = (upload) => el("tr", { "data-upload": upload.upload_id, "data-state": upload.state },
    el("td", { class: "name" }, upload.name), el("td", {}, upload.kind), el("td", {}, bytes(upload.size_bytes)),
    el("td", { class: upload.state }, stateOf(upload)), el("td", {}, ...actionsOf(upload)));
  $("uploads").replaceChildren(...uploads.map(row));
  $("none").hidden = uploads.length > 0;
}

function actionsOf(upload) {
  const action = (name, act) =>
    el("button", { type: "button", class: "small", "aria-label": `${name}: ${upload.name}`, onclick: () => act().then(refresh).catch((error) => tell(error.message)) }, name);
  return [
    ["uploading", "wrong"].includes(upload.state) && action("Give up", () => api.giveUp(upload.upload_id)),
    upload.state === "ready" && upload.kind === "master" && action("Plan", async () => { delivery = upload.delivery; }),
  ];
}

async function refresh() {
  uploads = await api.listed();
  draw();
  const master = here().find((one) => one.kind === "master" && one.state === "ready");
  form.hidden = !master;
  if (master) await offer(master);
}

// Looks again while the service checks what arrived.
async function follow() {
  following += 1;
  const mine = following;
  do {
    await refresh().catch((error) => tell(error.message));
    await new Promise((done) => setTimeout(done, LOOK_MS));
  } while (mine === following && uploads.some((one) => one.state === "checking"));
}

async function offer(master) {
  if (form.dataset.master !== master.upload_id) {
    $("languages").replaceChildren();
    const stem = master.name.replace(/\.[^.]*$/, "");
    $("master").textContent = master.name;
    form.dataset.master = master.upload_id;
    form.elements.name.value = stem.replaceAll("_", " ");
    form.elements.title_id.value = stem.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63) || "title";
    $("started").textContent = "";
  }
  offerLanguages();
  await plan();
}

function offerLanguages() {
  for (const text of here().filter((one) => one.kind === "subtitles")) {
    if (document.getElementsByName(`language-${text.upload_id}`).length) continue;
    const parts = text.name.split(".");
    const said = parts.length > 2 ? parts.at(-2) : "";
    $("languages").append(el("label", {}, `Language of ${text.name}`, el("input", { name: `language-${text.upload_id}`, value: said, required: true })));
  }
}

async function plan() {
  const id = form.dataset.master;
  const profile = form.elements.profile.value;
  const wanted = `${id} ${profile}`;
  if (planned === wanted) return;
  planned = wanted;
  const stale = () => planned !== wanted;
  $("start").disabled = true;
  $("plan").textContent = "The master is being inspected …";
  $("findings").textContent = "";
  try {
    const found = await api.known(id, "plan", profile, stale);
    if (!found) return;
    $("plan").replaceChildren(...planOf(found, form.elements.zone.value));
    $("start").disabled = found.state !== "planned";
    if (found.state === "planned") await look(id, profile, stale);
  } catch (error) {
    if (!stale()) $("plan").textContent = error.message;
    planned = stale() ? planned : "";
  }
}

async function look(id, profile, stale) {
  $("findings").textContent = "The whole master is being looked at; Start need not wait for it.";
  const found = await api.known(id, "findings", profile, stale);
  if (found) $("findings").replaceChildren(...findingsOf(found));
}

form.elements.profile.addEventListener("change", plan);
form.elements.zone.addEventListener("change", () => {
  planned = ""; // its times are shown in the zone
  plan();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  tell("");
  $("start").disabled = true;
  const fields = Object.fromEntries(new FormData(form));
  const languages = {};
  for (const name of Object.keys(fields).filter((one) => one.startsWith("language-"))) {
    languages[name.slice("language-".length)] = fields[name];
    delete fields[name];
  }
  try {
    const started = await api.startTitle(form.dataset.master, { ...fields, launch_local: fields.launch_local || null, languages });
    // Airflow's own page, wherever it is mounted: this one is one folder below
    const run = new URL(`../dags/release_title/runs/${encodeURIComponent(started.run_id ?? "")}`, document.baseURI).href;
    const told = started.already_live ? "Live already: " : started.attached ? "Under way already: " : "Started: ";
    $("started").replaceChildren(told, linkTo(run, started.title_id, { here: true }));
    delivery = freshDelivery();
    planned = ""; // whoever asks for its plan again may start it again, as another title
  } catch (error) {
    tell(error.message);
    $("start").disabled = false;
  }
});

async function open() {
  const zones = ["UTC", ...Intl.supportedValuesOf("timeZone")];
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  form.elements.zone.append(...zones.map((zone) => option(zone, zone, own)));
  const found = await api.options();
  form.elements.profile.append(...found.profiles.map((name) => option(name, name, "standard")));
  await follow();
}

open().catch((error) => tell(error.message));
