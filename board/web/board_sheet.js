// The sheet of one title: everything the board knows of it, what can be done, its versions and its audit.

import * as api from "./board_api.js";
import { el, linkTo } from "./board_dom.js";
import { auditLines } from "./board_dialogs.js";
import { actions, asks } from "./board_roles.js";
import { picture } from "./board_table.js";
import { clock, exact, span, zoneName } from "./board_time.js";

const sheet = () => document.getElementById("sheet");
let open = null;

export const openTitle = () => (sheet().open ? open : null);

export function show(title, context, part = "") {
  open = title.title_id;
  render(title, context);
  if (!sheet().open) sheet().show();
  loadVersions(title, context);
  loadAudit(title, context);
  (part ? sheet().querySelector(`#sheet-${part}`) : sheet().querySelector(".close"))?.focus();
}

export function hide() {
  sheet().close();
  open = null;
}

// the facts alone: what was loaded beside them stays
export function refresh(title, context) {
  const [head, facts, buttons] = top(title, context);
  const box = sheet();
  const focused = box.querySelector(".actions")?.contains(document.activeElement) ? document.activeElement.dataset.does : null;
  box.querySelector(".sheet-head").replaceWith(head);
  box.querySelector(".facts").replaceWith(facts);
  box.querySelector(".actions").replaceWith(buttons);
  if (focused) box.querySelector(`.actions [data-does="${focused}"]`)?.focus();
}

export function reload(title, context) {
  loadVersions(title, context);
  loadAudit(title, context);
}

function render(title, context) {
  sheet().replaceChildren(...top(title, context),
    el("section", { id: "sheet-versions", tabindex: "-1" }, el("h3", {}, "Versions"), el("div", { class: "loaded" }, el("p", { class: "faint" }, "Loading"))),
    el("section", { id: "sheet-audit", tabindex: "-1" }, el("h3", {}, "Audit"), el("div", { class: "loaded" }, el("p", { class: "faint" }, "Loading"))));
}

function top(title, context) {
  return [head(title), facts(title, context.zone), buttons(title, context)];
}

function head(title) {
  return el("div", { class: "sheet-head" }, picture(title, "poster large"),
    el("div", {}, el("h2", { id: "sheet-name" }, title.name), el("span", { class: "faint mono" }, title.title_id)),
    el("button", { type: "button", class: "close", "aria-label": "Close", onclick: hide }, "×"));
}

function facts(title, zone) {
  const when = (iso) => (iso ? `${clock(iso, zone)} ${zoneName(iso, zone)}` : null);
  const rows = [
    ["Stage", title.stage.replace("_", " ") + (title.held ? ", held" : "")],
    ["Asks", (title.questions ?? []).map((question) => question.subject).join("; ")],
    ["Problem", asks(title) ? null : title.problem], // while it asks it says what, in other words
    ["Class", title.priority],
    ["Launch", when(title.launch_at) ?? "when ready"],
    ["Ready", title.p50 ? `p50 ${when(title.p50)}, p90 ${when(title.p90)}` : null],
    ["Slack", title.late_s > 0 ? `late by ${span(title.late_s)}` : title.slack_s !== undefined && title.slack_s !== null ? span(title.slack_s) : null],
    ["Edges", `${title.edges_filled ?? 0} of ${title.edges ?? 0} hold this run's version`],
    ["VMAF", Object.entries(title.qualities ?? {}).map(([name, mean]) => `${name} ${mean.toFixed(1)}`).join(", ")],
    ["Live", title.live_version ? `${title.live_version}, since ${when(title.live_at)}` : null],
    ["Profile", title.profile],
    ["Submitted", exact(title.submitted_at, zone)],
  ];
  return el("dl", { class: "facts" }, ...rows.filter(([, text]) => text).map(([name, text]) =>
    el("div", {}, el("dt", {}, name), el("dd", { class: name === "Problem" || (name === "Slack" && title.late_s > 0) ? "bad" : "" }, text))));
}

function buttons(title, { caller, on }) {
  const can = actions(caller, title);
  const button = (does, label, key, run, kind = "") => el("button", { type: "button", class: kind, "data-does": does, "aria-keyshortcuts": key, onclick: run }, label, el("kbd", {}, key));
  return el("div", { class: "actions" },
    can.answer && button("answer", "Decide", "a", () => on.answer(title), "primary"),
    can.reorder && button("reorder", "Class and launch", "c", () => on.reorder(title, {})),
    can.hold && button("hold", "Hold", "h", () => on.reorder(title, { held: true })),
    can.resume && button("resume", "Resume", "h", () => on.reorder(title, { held: false })),
    can.retry && button("retry", "Retry", "t", () => on.act(title, "retry")),
    can.cancel && button("cancel", "Cancel", "x", () => on.act(title, "cancel"), "danger"),
    can.play && linkTo(api.play(title), "Play", { class: "button" }),
    can.run && linkTo(context(title.links.run), "DAG run", { class: "button", here: true }),
    can.log && linkTo(context(title.links.log), "Task log", { class: "button", here: true }));
}

// Airflow's own pages, wherever it is mounted: the board is one folder below
const context = (path) => new URL(`..${path}`, document.baseURI).href;
export const airflow = context;

async function loadVersions(title, { caller, zone, on }) {
  const found = await api.versions(title.title_id).catch((error) => error);
  if (open !== title.title_id) return;
  const can = actions(caller, title);
  const line = (version) =>
    el("li", { class: version.live ? "live" : "" }, el("code", {}, version.version),
      el("span", { class: "faint" }, `made ${clock(version.made_at, zone)}, ${version.rungs.length} renditions${version.partial ? ", minimum ladder" : ""}`),
      version.live ? el("span", { class: "badge" }, "live") : version.retired_at ? el("span", { class: "faint" }, "retired")
        : can.rollBack && el("button", { type: "button", class: "small", "data-does": "roll-back", onclick: () => on.rollBack(title, version) }, "Roll back to this"));
  const shown = found instanceof Error ? [el("p", { class: "faint" }, found.message)]
    : found.length ? [el("ul", { class: "versions" }, ...found.map(line))] : [el("p", { class: "faint" }, "Nothing was published yet.")];
  sheet().querySelector("#sheet-versions .loaded")?.replaceChildren(...shown);
}

async function loadAudit(title, { zone }) {
  const shown = await api.audit(title.title_id).then((found) => auditLines(found, zone), (error) => [el("p", { class: "faint" }, error.message)]);
  if (open === title.title_id) sheet().querySelector("#sheet-audit .loaded")?.replaceChildren(...shown);
}
