// The table of titles: kept rows, of which only what changed is touched, so that focus and open lists stay.

import { play, poster } from "./board_api.js";
import { el, linkTo, option } from "./board_dom.js";
import { actions, asks, CLASSES, ended, STAGES } from "./board_roles.js";
import { clock, exact, span, zoneName } from "./board_time.js";

const FAR = Number.MAX_SAFE_INTEGER;
const at = (iso) => (iso ? Date.parse(iso) : FAR);

export const COLUMNS = [
  { key: "name", label: "Title", order: (t) => t.name.toLowerCase() },
  { key: "class", label: "Class", order: (t) => CLASSES.indexOf(t.priority) },
  { key: "launch", label: "Launch", order: (t) => at(t.launch_at) },
  { key: "stage", label: "Stage", order: (t) => STAGES.indexOf(t.stage) },
  { key: "progress", label: "Encoded", order: (t) => -(t.progress ?? 0) },
  { key: "ready", label: "Ready", hint: "p50: done by then in half of the simulations; p90: in nine of ten", order: (t) => at(t.p90) },
  { key: "slack", label: "Slack", hint: "launch minus p90", order: (t) => t.slack_s ?? FAR },
  { key: "edges", label: "Edges", order: (t) => -(t.edges_filled ?? 0) },
  { key: "vmaf", label: "VMAF", order: (t) => -(t.vmaf ?? 0) },
  { key: "actions", label: "Actions" },
];

// the order of work, as the dispatcher has it: what is under way first, by class, launch and age
const urgency = (t) => [ended(t) ? 1 : 0, CLASSES.indexOf(t.priority), at(t.launch_at), at(t.submitted_at)];

export function sorted(titles, { key, down }) {
  const column = COLUMNS.find((found) => found.key === key);
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const byUrgency = (a, b) => urgency(a).map((part, i) => compare(part, urgency(b)[i])).find(Boolean) ?? compare(a.title_id, b.title_id);
  return [...titles].sort((a, b) => {
    const found = column?.order ? compare(column.order(a), column.order(b)) : 0;
    return (down ? -found : found) || byUrgency(a, b);
  });
}

export function matching(titles, { words, stage, priority, late, waits }) {
  const wanted = words.trim().toLowerCase().split(/\s+/).filter(Boolean);
  return titles.filter(
    (t) =>
      wanted.every((word) => `${t.name} ${t.title_id}`.toLowerCase().includes(word)) &&
      (!stage || t.stage === stage || (stage === "under way" && !ended(t))) &&
      (!priority || t.priority === priority) &&
      (!late || t.late_s > 0) &&
      (!waits || asks(t)),
  );
}

export class Row {
  constructor(title, on) {
    this.on = on;
    this.cells = Object.fromEntries(COLUMNS.map(({ key, label }) => [key, el("td", { "data-label": label, class: `c-${key}` })]));
    this.shown = {};
    this.tr = el("tr", { tabindex: "-1", "data-title": title.title_id });
    this.tr.append(...Object.values(this.cells));
    this.tr.addEventListener("focus", () => on.current(this.title.title_id));
    this.tr.addEventListener("dblclick", () => on.open(this.title));
  }

  update(title, caller, zone) {
    this.title = title;
    this.tr.setAttribute("aria-label", `${title.name}, ${title.priority}, ${title.stage}${title.late_s > 0 ? `, late by ${span(title.late_s)}` : ""}`);
    this.tr.classList.toggle("late", title.late_s > 0);
    this.tr.classList.toggle("asks", asks(title));
    const can = actions(caller, title);
    this.put("name", [title.name, title.poster, title.problem, title.title_id, asks(title)], () => nameCell(title, this.on));
    this.put("class", [title.priority, can.reorder], () => classCell(title, can, this.on));
    this.put("launch", [title.launch_at, title.stage === "live", zone, can.reorder, clock(title.launch_at, zone)], () => launchCell(title, zone, can, this.on));
    this.put("stage", [title.stage, title.held, title.links?.log, (title.questions ?? []).length], () => stageCell(title));
    this.put("progress", [title.progress, title.jobs_done, title.jobs_total, title.stage], () => progressCell(title));
    this.put("ready", [title.p50, title.p90, zone, title.live_at, title.stage, title.basis], () => readyCell(title, zone));
    this.put("slack", [title.slack_s, title.late_s], () => slackCell(title));
    this.put("edges", [title.edges_filled, title.edges], () => edgesCell(title));
    this.put("vmaf", [title.vmaf], () => vmafCell(title));
    this.put("actions", [can, title.links], () => actionsCell(title, can, this.on));
  }

  put(key, facts, make) {
    const named = JSON.stringify(facts);
    const busy = this.cells[key].querySelector("select") === document.activeElement && document.activeElement !== null;
    if (this.shown[key] === named || busy) return;
    const focused = this.cells[key].contains(document.activeElement) ? document.activeElement.dataset.does : null;
    this.shown[key] = named;
    this.cells[key].replaceChildren(...[make()].flat().filter(Boolean));
    if (focused) (this.cells[key].querySelector(`[data-does="${focused}"]`) ?? this.tr).focus();
  }
}

export function picture(title, kind = "poster") {
  const letter = el("span", { class: `${kind} letter`, "aria-hidden": "true" }, title.name.slice(0, 1).toUpperCase());
  if (!title.poster) return letter;
  const image = el("img", { class: kind, src: poster(title), alt: "", loading: "lazy", width: "96", height: "54" });
  image.addEventListener("error", () => image.replaceWith(letter));
  return image;
}

function nameCell(title, on) {
  return el("div", { class: "title" }, picture(title), el("div", { class: "named" },
    el("button", { type: "button", class: "name", tabindex: "-1", "data-does": "open", onclick: () => on.open(title) }, title.name),
    el("span", { class: "faint mono" }, title.title_id),
    title.problem && el("span", { class: asks(title) ? "problem asks" : "problem", title: title.problem }, title.problem)));
}

function classCell(title, can, on) {
  if (!can.reorder) return el("span", { class: `pill ${title.priority}` }, title.priority);
  const select = el("select", { class: `pill ${title.priority}`, "aria-label": `Class of ${title.name}`, tabindex: "-1", "data-does": "class" },
    ...CLASSES.map((name) => option(name, name, title.priority)));
  select.addEventListener("change", () => {
    const wanted = select.value;
    select.value = title.priority; // until it is confirmed
    select.blur();
    on.reorder(title, { priority: wanted });
  });
  return select;
}

function launchCell(title, zone, can, on) {
  const text = title.launch_at
    ? el("span", { title: exact(title.launch_at, zone) }, `${clock(title.launch_at, zone)} `, el("span", { class: "faint" }, zoneName(title.launch_at, zone)))
    : el("span", { class: "faint" }, title.stage === "live" ? "–" : "when ready");
  if (!can.reorder) return text;
  return el("button", { type: "button", class: "plain", tabindex: "-1", "data-does": "launch", "aria-label": `Launch time of ${title.name}`, onclick: () => on.reorder(title, {}, "launch") }, text);
}

function stageCell(title) {
  const name = title.stage.replace("_", " ");
  return [
    el("span", { class: `stage is-${title.stage}` }, name),
    title.held ? el("span", { class: "badge" }, "held") : null,
    asks(title) ? el("span", { class: "badge asks" }, "waits for a person") : null,
  ];
}

function progressCell(title) {
  const share = title.progress ?? 0;
  const bar = el("progress", { max: "1", value: String(share), "aria-label": `${Math.round(share * 100)} % encoded` });
  const jobs = title.jobs_total ? el("span", { class: "faint", title: "chunk jobs done" }, `${title.jobs_done ?? 0} of ${title.jobs_total}`) : null;
  return el("div", { class: "encoded" }, bar, el("span", {}, `${Math.floor(share * 100)} %`), jobs);
}

function readyCell(title, zone) {
  if (title.stage === "live" && title.live_at) return el("span", { title: exact(title.live_at, zone) }, "live ", el("span", { class: "faint" }, clock(title.live_at, zone)));
  if (title.stage === "go_live") return el("span", { class: "good", title: "on every edge, waits for its launch" }, "ready");
  if (!title.p50) return el("span", { class: "faint" }, "–");
  const basis = { history: "from jobs alike made here", similar: "from similar jobs", profile: "from the profile alone" }[title.basis];
  return el("div", { class: "ready", title: `p50 ${exact(title.p50, zone)}, p90 ${exact(title.p90, zone)}; ${basis}` },
    el("span", {}, clock(title.p50, zone)), el("span", { class: "faint" }, `p90 ${clock(title.p90, zone)}`));
}

function slackCell(title) {
  if (title.late_s > 0) return el("strong", { class: "bad" }, `late by ${span(title.late_s)}`);
  if (title.slack_s === undefined || title.slack_s === null) return el("span", { class: "faint" }, "–");
  return el("span", {}, span(title.slack_s));
}

function edgesCell(title) {
  const full = title.edges > 0 && title.edges_filled === title.edges;
  return el("span", { class: full ? "good" : "" }, `${title.edges_filled ?? 0} of ${title.edges ?? 0}`);
}

function vmafCell(title) {
  if (!title.vmaf) return el("span", { class: "faint" }, "–");
  const all = Object.entries(title.qualities ?? {}).map(([name, mean]) => `${name}: ${mean.toFixed(1)}`).join(", ");
  return el("span", { title: all }, title.vmaf.toFixed(1));
}

function actionsCell(title, can, on) {
  const button = (does, label, run) => el("button", { type: "button", class: `small ${does}`, tabindex: "-1", "data-does": does, onclick: run }, label);
  return el("div", { class: "row-actions" },
    can.answer && button("answer", "Decide", () => on.answer(title)),
    can.retry && button("retry", "Retry", () => on.act(title, "retry")),
    can.hold && button("hold", "Hold", () => on.reorder(title, { held: true })),
    can.resume && button("resume", "Resume", () => on.reorder(title, { held: false })),
    can.play && linkTo(play(title), "Play", { class: "small button" }),
    button("open", "More", () => on.open(title)));
}
