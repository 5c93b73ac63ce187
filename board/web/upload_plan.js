// The plan of an uploaded master, and what is wrong with it, before a person presses Start.
const UNKNOWN = "unknown";

const element = (name, text, className) => Object.assign(document.createElement(name), { textContent: text ?? "", className: className ?? "" });

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${(count / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
const moment = (at, zone) => at && new Date(at).toLocaleString("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "short" });
const rate = (bps) => (bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mb/s` : `${Math.round(bps / 1e3)} kb/s`);

function facts(pairs) {
  const list = element("dl");
  for (const [term, value] of pairs) {
    const pair = element("div");
    pair.append(element("dt", term), element("dd", value));
    list.append(pair);
  }
  return list;
}

function ladder(rungs) {
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const name of ["Rendition", "Encoder", "Size", "At most", "Key"]) head.append(element("th", name));
  for (const rung of rungs) {
    const row = table.createTBody().insertRow();
    for (const cell of [rung.name, rung.codec, rung.size, rate(rung.max_bps), rung.label]) row.append(element("td", cell));
  }
  return table;
}

function money(amount, currency) {
  if (amount === null) return UNKNOWN;
  const shown = (value) => new Intl.NumberFormat("en", { style: "currency", currency }).format(value);
  return amount > 0 && amount < 0.01 ? `under ${shown(0.01)}` : shown(amount);
}

export function planOf(plan, zone) {
  if (plan.state === "refused") {
    const list = element("ul", "", "reject");
    list.append(...plan.reasons.map((reason) => element("li", reason)));
    return [element("h2", "This master is refused"), list];
  }
  const { outlook, cost } = plan;
  const ready = outlook.ready_p50 ? `${moment(outlook.ready_p50, zone)} (90 %: ${moment(outlook.ready_p90, zone)})` : UNKNOWN;
  const pairs = [
    ["Duration", plan.duration_s === null ? UNKNOWN : clock(plan.duration_s)],
    ["Chunks", `${plan.chunks} in ${plan.jobs} jobs`],
    ["Forecast finish", ready],
    ["CPU time", outlook.cpu_s === null ? UNKNOWN : `${(outlook.cpu_s / 3600).toFixed(2)} h`],
    ["Storage", `${bytes(plan.storage_bytes)} at most`],
  ];
  if (cost) pairs.push(["Cost of encoding", money(cost.encode, cost.currency)], ["Cost of storage", `${money(cost.storage_month, cost.currency)} a month`]);
  const tracks = element("ul");
  tracks.append(...plan.tracks.map((track) => element("li", track)));
  return [element("h2", "In the master"), tracks, element("h2", "Plan"), facts(pairs), ladder(plan.rungs)];
}

export function findingsOf({ findings, refused }) {
  if (!findings.length) return [element("p", "The whole master was looked at: nothing found.", "ready")];
  const list = element("ul");
  list.append(...findings.map((finding) => element("li", finding.sentence, finding.severity)));
  return [element("h2", refused ? "Found, and it ends the title" : "Found in the master"), list];
}
