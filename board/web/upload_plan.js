// The plan of an uploaded master, and what is wrong with it, before a person presses Start.
import { el } from "../assets/board_dom.js";
import { clock, zoneName } from "../assets/board_time.js";

const UNKNOWN = "unknown";

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${(count / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}

const length = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
const rate = (bps) => (bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mb/s` : `${Math.round(bps / 1e3)} kb/s`);

const facts = (pairs) => el("dl", {}, ...pairs.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));

const list = (lines, kind) => el("ul", { class: kind }, ...lines.map((line) => el("li", {}, line)));

function ladder(rungs) {
  const head = ["Rendition", "Encoder", "Size", "At most", "Key"].map((name) => el("th", { scope: "col" }, name));
  const rows = rungs.map((rung) => [rung.name, rung.codec, rung.size, rate(rung.max_bps), rung.label]);
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell))))));
}

function money(amount, currency) {
  if (amount === null) return UNKNOWN;
  const shown = (value) => new Intl.NumberFormat("en", { style: "currency", currency }).format(value);
  return amount > 0 && amount < 0.01 ? `under ${shown(0.01)}` : shown(amount);
}

export function planOf(plan, zone) {
  if (plan.state === "refused") {
    return [el("h2", {}, "This master is refused"), list(plan.reasons, "reject")];
  }
  const { outlook, cost } = plan;
  const ready = outlook.ready_p50 ? `${clock(outlook.ready_p50, zone)} ${zoneName(outlook.ready_p50, zone)}` : UNKNOWN;
  const pairs = [
    ["Duration", plan.duration_s === null ? UNKNOWN : length(plan.duration_s)],
    ["Chunks", `${plan.chunks} in ${plan.jobs} jobs`],
    ["Forecast finish", ready],
    ["Finish, p90", outlook.ready_p90 ? clock(outlook.ready_p90, zone) : UNKNOWN],
    ["CPU time", outlook.cpu_s === null ? UNKNOWN : `${(outlook.cpu_s / 3600).toFixed(2)} h`],
    ["Storage", `${bytes(plan.storage_bytes)} at most`],
  ];
  if (cost) pairs.push(["Cost of encoding", money(cost.encode, cost.currency)], ["Cost of storage", `${money(cost.storage_month, cost.currency)} a month`]);
  return [el("h2", {}, "In the master"), list(plan.tracks), el("h2", {}, "Plan"), facts(pairs), ladder(plan.rungs)];
}

export function findingsOf({ findings, refused }) {
  if (!findings.length) return [el("p", { class: "ready" }, "The whole master was looked at: nothing found.")];
  return [
    el("h2", {}, refused ? "Found, and it ends the title" : "Found in the master"),
    el("ul", {}, ...findings.map((finding) => el("li", { class: finding.severity }, finding.sentence))),
  ];
}
