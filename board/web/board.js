// The release board: what is shown, what was chosen, and the keys.

import * as api from "./board_api.js";
import * as dialogs from "./board_dialogs.js";
import { el, go, option } from "./board_dom.js";
import { actions, CLASSES, STAGES } from "./board_roles.js";
import * as sheet from "./board_sheet.js";
import { COLUMNS, matching, Row, sorted } from "./board_table.js";
import { followLight } from "./board_theme.js";
import { chooseZone, chosenZone, zones } from "./board_time.js";

const $ = (id) => document.getElementById(id);
const SAID_MS = 5000;
const AGAIN_MS = 3000;
const KEYS = [
  ["↑ ↓", "the row above, the row below (also k, j)"], ["Enter", "open the title"], ["/", "search"],
  ["c", "change class or launch time"], ["h", "hold, or go on"], ["a", "approve or reject"], ["t", "try again"], ["x", "cancel"],
  ["p", "play"], ["v", "versions and roll back"], ["u", "audit of the title"], ["g", "its DAG run"], ["l", "its task log"],
  ["?", "these keys"], ["Esc", "close"],
];

const board = { titles: [], rows: new Map(), sort: { key: "urgency", down: false }, current: null, me: null, zone: chosenZone(), heard: false };
// the tab of a DAG run shows the title of that run alone; a run is named after its title
const only = new URLSearchParams(location.search).get("run");
const onlyTitle = only?.split("__")[0];

const nameOf = (id) => board.titles.find((title) => title.title_id === id)?.name ?? id;
const found = (id) => board.titles.find((title) => title.title_id === id);
const context = () => ({ caller: board.me.caller, zone: board.zone, on });

function say(text) {
  $("said").textContent = text;
  $("said").hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => ($("said").hidden = true), SAID_MS);
}

// what the server answered counts at once; the stream repeats it within a second
function done(text) {
  return (answer) => {
    if (answer?.stage) board.titles = board.titles.map((title) => (title.title_id === answer.title_id ? answer : title));
    say(text);
    render();
    const title = found(sheet.openTitle());
    if (title) sheet.reload(title, context());
    board.rows.get(board.current)?.tr.focus();
  };
}

const on = {
  current(id) {
    board.current = id;
    for (const [key, row] of board.rows) row.tr.tabIndex = key === id ? 0 : -1;
  },
  open: (title, part) => sheet.show(title, context(), part),
  reorder(title, wish, focus) {
    const text = "held" in wish ? (wish.held ? `${title.name} is held.` : `${title.name} goes on.`) : `${title.name} has its new place from the next chunk on.`;
    dialogs.reorder(title, wish, { zone: board.zone, nameOf, focus }, done(text));
  },
  act(title, action) {
    const retry = action === "retry";
    const text = retry ? "It goes on from what is there; nothing is encoded twice." : "Its encoders end within two seconds. What was encoded stays, and what is live stays live.";
    const name = `${retry ? "Try again" : "Cancel"}: ${title.name}`;
    dialogs.ask({ name, text, confirm: retry ? "Try again" : "Cancel the title", danger: !retry }, (why) => api.act(title.title_id, action, why), done(retry ? `${title.name} is tried again.` : `${title.name} is cancelled.`));
  },
  answer: (title) => dialogs.decide(title, board.me.profiles, done(`The decision on ${title.name} is told to its run.`)),
  rollBack(title, version) {
    const text = `Viewers get ${version.version} instead of ${title.live_version}, within a second. Playing sessions go on.`;
    dialogs.ask({ name: `Roll back: ${title.name}`, text, confirm: "Roll back", danger: true }, (why) => api.rollBack(title.title_id, version.version, why), done(`${title.name} is back at ${version.version}.`));
  },
};

function chosen() {
  return { words: $("search").value, stage: $("stage").value, priority: $("class").value, late: $("late").checked, waits: $("asks").checked };
}

function render() {
  if (!board.me || !board.heard) return;
  const mine = onlyTitle ? board.titles.filter((title) => title.title_id === onlyTitle) : board.titles;
  const shown = sorted(onlyTitle ? mine : matching(mine, chosen()), board.sort);
  const kept = new Set(shown.map((title) => title.title_id));
  for (const [id, row] of board.rows) {
    if (!kept.has(id)) {
      row.tr.remove();
      board.rows.delete(id);
    }
  }
  shown.forEach((title, place) => placeRow(title, place));
  if (!kept.has(board.current)) on.current(shown[0]?.title_id ?? null);
  $("count").textContent = shown.length === mine.length ? `${mine.length} ${mine.length === 1 ? "title" : "titles"}` : `${shown.length} of ${mine.length} titles`;
  $("nothing").hidden = shown.length > 0;
  $("nothing").textContent = emptiness();
  document.title = `${board.titles.filter((title) => title.late_s > 0).length || "No"} late · Release board`;
  const open = found(sheet.openTitle());
  if (open) sheet.refresh(open, context());
}

function emptiness() {
  if (onlyTitle) return "No title on the board belongs to this run.";
  if (board.titles.length) return "No title matches the search and the filters.";
  return board.me.caller.role === "viewer" ? "There is no title yet." : "There is no title yet. Upload a master, or submit one with `telecine submit`.";
}

function placeRow(title, place) {
  let row = board.rows.get(title.title_id);
  if (!row) {
    row = new Row(title, on);
    board.rows.set(title.title_id, row);
    row.tr.tabIndex = title.title_id === board.current ? 0 : -1;
  }
  row.update(title, board.me.caller, board.zone);
  const before = $("rows").children[place];
  if (before === row.tr) return;
  const focused = row.tr.contains(document.activeElement) ? document.activeElement : null;
  $("rows").insertBefore(row.tr, before ?? null);
  focused?.focus(); // moving an element takes its focus away
}

function heads() {
  $("heads").replaceChildren(...COLUMNS.map(({ key, label, hint, order }) => {
    const mine = board.sort.key === key;
    if (!order) return el("th", { scope: "col", class: `c-${key}` }, label);
    const sort = () => {
      board.sort = mine ? (board.sort.down ? { key: "urgency", down: false } : { key, down: true }) : { key, down: false };
      heads();
      render();
      $("heads").querySelector(`[data-sort=${key}]`).focus();
    };
    return el("th", { scope: "col", class: `c-${key}`, "aria-sort": mine ? (board.sort.down ? "descending" : "ascending") : "none" },
      el("button", { type: "button", title: hint, "data-sort": key, onclick: sort }, label, el("span", { "aria-hidden": "true" }, mine ? (board.sort.down ? " ↓" : " ↑") : "")));
  }));
}

function move(by) {
  const rows = [...$("rows").children];
  const at = rows.indexOf(board.rows.get(board.current)?.tr);
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
}

function key(event) {
  const typing = event.target.matches?.("input, textarea, select");
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open) return;
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (sheet.openTitle() && !onlyTitle) {
      sheet.hide();
      board.rows.get(board.current)?.tr.focus();
    }
    return;
  }
  if (typing) return;
  const title = found(sheet.openTitle() ?? board.current);
  const run = shortcut(event, title, title ? actions(board.me.caller, title) : {});
  if (!run) return;
  event.preventDefault();
  run();
}

function shortcut(event, title, can) {
  const onButton = event.target.matches?.("button, a");
  return {
    ArrowDown: () => move(1), ArrowUp: () => move(-1), j: () => move(1), k: () => move(-1),
    Home: () => move(-Infinity), End: () => move(Infinity),
    Enter: !onButton && title && (() => on.open(title)),
    "/": () => $("search").focus(), "?": () => dialogs.help(KEYS),
    c: can.reorder && (() => on.reorder(title, {})),
    h: (can.hold || can.resume) && (() => on.reorder(title, { held: Boolean(can.hold) })),
    a: can.answer && (() => on.answer(title)), t: can.retry && (() => on.act(title, "retry")), x: can.cancel && (() => on.act(title, "cancel")),
    p: can.play && (() => go(api.play(title))), v: title && (() => on.open(title, "versions")), u: title && (() => on.open(title, "audit")),
    g: can.run && (() => go(sheet.airflow(title.links.run), { here: true })), l: can.log && (() => go(sheet.airflow(title.links.log), { here: true })),
  }[event.key];
}

const LINKS = { live: "Live", lost: "Connection lost, trying again", "signed-out": "Signed out: sign in to Airflow and open the board again" };

function linked(state) {
  $("live").dataset.state = state;
  $("live").textContent = LINKS[state];
}

function trouble(...texts) {
  $("trouble").hidden = texts.length === 0;
  $("trouble").textContent = texts.join(" ");
}

function state({ titles = [], troubles = [] }) {
  board.titles = titles;
  board.heard = true;
  trouble(...troubles);
  render();
  if (onlyTitle && !state.opened && found(onlyTitle)) {
    state.opened = true;
    on.open(found(onlyTitle));
  }
}

function furnish() {
  $("stage").append(option("", "all"), option("under way", "under way"), ...STAGES.map((name) => option(name, name.replace("_", " "))));
  $("class").append(option("", "all"), ...CLASSES.map((name) => option(name, name)));
  $("zone").append(...zones().map((name) => option(name, name, board.zone)));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", render);
  $("zone").addEventListener("change", () => {
    board.zone = $("zone").value;
    chooseZone(board.zone);
    render();
  });
  $("help").addEventListener("click", () => dialogs.help(KEYS));
  $("audit").addEventListener("click", () => dialogs.audit(board.zone, nameOf));
  document.addEventListener("keydown", key);
  document.body.classList.toggle("single", Boolean(onlyTitle));
  heads();
}

// who looks: asked until it is known, since a server that starts does not answer yet
async function known() {
  for (;;) {
    try {
      return await api.me();
    } catch (error) {
      trouble(error.message);
      if (error.status === 401 || error.status === 403) {
        linked("signed-out");
        return null;
      }
      linked("lost");
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

followLight();
furnish();
board.me = await known();
if (board.me) {
  trouble();
  $("caller").textContent = `${board.me.caller.name} · ${board.me.caller.role}`;
  $("upload").hidden = board.me.caller.role === "viewer";
  api.follow(state, trouble, linked);
}
