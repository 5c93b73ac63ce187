// Dialogs: a change with its what-if, a reason, a decision, the audit, the keys.

import * as api from "./board_api.js";
import { el, option, withLinks } from "./board_dom.js";
import { CLASSES } from "./board_roles.js";
import { clock, exact, localValue, momentOf, moved, span, zoneName, zones } from "./board_time.js";

const LOOK_MS = 250;
const dialog = () => document.getElementById("dialog");

function shown(name, form, width = "") {
  const box = dialog();
  box.className = `dialog ${width}`;
  box.replaceChildren(el("h2", { id: "dialog-name" }, name), form);
  if (!box.open) box.showModal();
  return box;
}

export const close = () => dialog().close();

function whyField(label = "Why") {
  return el("label", { class: "field" }, label, el("input", { name: "why", required: true, maxlength: "500", autocomplete: "off", placeholder: "Kept in the audit with your name" }));
}

function buttons(confirm, danger = false) {
  return el("div", { class: "buttons" },
    el("button", { type: "button", onclick: close }, "Leave it"),
    el("button", { type: "submit", class: danger ? "danger" : "primary", "data-does": "confirm" }, confirm));
}

function onSubmit(form, work, done) {
  const note = el("p", { class: "bad", role: "alert" });
  form.append(note);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const confirm = form.querySelector("[data-does=confirm]");
    confirm.disabled = true;
    try {
      const answer = await work(new FormData(form));
      close();
      done(answer);
    } catch (error) {
      note.textContent = error.message;
    } finally {
      confirm.disabled = false;
    }
  });
}

// A reason, then an action.
export function ask({ name, text, confirm, danger }, work, done) {
  const form = el("form", {}, el("p", {}, text), whyField(), buttons(confirm, danger));
  onSubmit(form, (data) => work(data.get("why")), done);
  shown(name, form);
  form.elements.why.focus();
}

// Class, launch time or hold, with what it does to the others before it is done.
export function reorder(title, wish, { zone, nameOf, focus }, done) {
  if ("held" in wish) {
    orderForm(title, wish.held ? "Hold" : "Resume", [], () => wish, { zone, nameOf }, done);
    return;
  }
  const priority = el("select", { name: "priority" }, ...CLASSES.map((name) => option(name, name, wish.priority ?? title.priority)));
  const launch = el("input", { name: "launch", type: "datetime-local", value: title.launch_at ? localValue(title.launch_at, zone) : "" });
  const inZone = el("select", { name: "zone" }, ...zones().map((name) => option(name, name, zone)));
  const fields = [
    el("label", { class: "field" }, "Class", priority),
    el("div", { class: "pair" }, el("label", { class: "field" }, "Launch (empty: when ready)", launch), el("label", { class: "field" }, "Time zone", inZone)),
  ];
  const change = () => {
    const found = {};
    if (priority.value !== title.priority) found.priority = priority.value;
    const before = title.launch_at ? localValue(title.launch_at, inZone.value) : "";
    if (launch.value !== before) found.launch_at = launch.value ? momentOf(launch.value, inZone.value) : null;
    if (launch.value && found.launch_at === null) throw new Error(`There is no ${launch.value.replace("T", " ")} in ${inZone.value}: clocks are put forward over it.`);
    return found;
  };
  orderForm(title, "Change", fields, change, { zone, nameOf }, done);
  ({ launch, priority }[focus] ?? (wish.priority ? dialog().querySelector("[name=why]") : priority)).focus();
}

function orderForm(title, verb, fields, change, { zone, nameOf }, done) {
  const effect = el("div", { class: "effect", role: "status", "aria-live": "polite" });
  const form = el("form", {}, ...fields, el("h3", {}, "What it does"), effect, whyField(), buttons(verb === "Change" ? "Confirm the change" : verb));
  let asked = 0;
  let timer = 0;
  const look = async () => {
    const mine = (asked += 1);
    const confirm = form.querySelector("[data-does=confirm]");
    confirm.disabled = true;
    let made;
    try {
      const wish = change();
      made = Object.keys(wish).length ? effects(await api.whatIf(title.title_id, wish), zone, nameOf) : [el("p", { class: "faint" }, "Nothing is changed yet.")];
      if (mine === asked) confirm.disabled = Object.keys(wish).length === 0;
    } catch (error) {
      made = [el("p", { class: "bad" }, error.message)];
      // a forecast that does not answer stops nobody
      if (mine === asked) confirm.disabled = error.status !== 503;
    }
    if (mine === asked) effect.replaceChildren(...made);
  };
  for (const field of form.querySelectorAll("[name=priority], [name=launch], [name=zone]")) {
    field.addEventListener("input", () => {
      form.querySelector("[data-does=confirm]").disabled = true;
      clearTimeout(timer);
      timer = setTimeout(look, LOOK_MS);
    });
  }
  onSubmit(form, (data) => api.reorder(title.title_id, change(), data.get("why")), done);
  shown(`${verb}: ${title.name}`, form, "wide");
  form.elements.why.focus();
  effect.replaceChildren(el("p", { class: "faint" }, "Simulating the queue"));
  look();
}

function effects(found, zone, nameOf) {
  const own = found.moved.find((moved) => moved.title_id === found.title_id);
  const others = found.moved.filter((moved) => moved.title_id !== found.title_id);
  const list = el("ul", { class: "moved" }, ...[own, ...others].filter(Boolean).map((one) => movedLine(one, zone, nameOf, one === own)));
  const rest = found.unmoved ? el("p", { class: "faint" }, `${found.unmoved} other ${found.unmoved === 1 ? "title stays" : "titles stay"} where ${found.unmoved === 1 ? "it is" : "they are"}.`) : null;
  return [list, others.length ? null : el("p", { class: "faint" }, "No other title moves."), rest].filter(Boolean);
}

function movedLine(one, zone, nameOf, own) {
  const when = one.after.p90
    ? `p90 ${one.before.p90 ? `${clock(one.before.p90, zone)} → ` : ""}${clock(one.after.p90, zone)} ${zoneName(one.after.p90, zone)}`
    : one.after.held ? "no finish while it is held" : "nothing is known of its work yet";
  const verdict = one.becomes_late || one.after.late_s > 0
    ? el("strong", { class: "bad" }, `${one.becomes_late ? "becomes late" : "late"} by ${span(one.after.late_s ?? 0)}`)
    : one.becomes_on_time ? el("strong", { class: "good" }, "becomes on time") : null;
  const by = one.by_s === null || one.by_s === undefined ? "" : Math.abs(one.by_s) < 1 ? "does not move" : moved(one.by_s);
  return el("li", { class: own ? "own" : "", "data-moved": one.title_id }, el("span", { class: "who" }, nameOf(one.title_id)), el("span", {}, by), el("span", { class: "faint" }, when), verdict);
}

// What a run asks a person, with the evidence it gives.
export function decide(title, profiles, done) {
  const question = title.questions[0];
  const chosen = el("fieldset", { class: "field" }, el("legend", {}, "Decision"),
    ...question.options.map((name, i) => el("label", { class: "check" }, el("input", { type: "radio", name: "option", value: name, required: true, checked: i === 0 && question.options.length === 1 }), name)));
  const evidence = question.body ? el("pre", { class: "evidence", tabindex: "0" }, ...withLinks(question.body)) : null;
  const again = (question.fields ?? []).includes("other_profile")
    ? el("label", { class: "field" }, "Profile, to encode again with", el("select", { name: "profile" }, ...profiles.map((name) => option(name, name, title.profile)))) : null;
  const form = el("form", {}, el("p", {}, question.subject), evidence, chosen, ...[again].filter(Boolean), whyField(), buttons("Decide"));
  const answer = (data) => ({ run_id: question.run_id, task_id: question.task_id, map_index: question.map_index ?? -1, options: [data.get("option")], profile: data.get("profile"), why: data.get("why") });
  onSubmit(form, (data) => api.decide(title.title_id, answer(data)), done);
  shown(`Decide: ${title.name}`, form, "wide");
  form.querySelector("[name=option]").focus();
}

export function auditLines(entries, zone, nameOf) {
  if (!entries.length) return [el("p", { class: "faint" }, "Nobody changed anything yet.")];
  const fields = ({ before = {}, after = {} }) =>
    [...new Set([...Object.keys(before), ...Object.keys(after)])].map((name) => `${name.replace("_", " ")} ${value(before[name], zone)} → ${value(after[name], zone)}`).join(", ");
  return [el("ol", { class: "audit" }, ...entries.map((entry) =>
    el("li", {}, el("span", { class: "faint", title: exact(entry.at, zone) }, clock(entry.at, zone)),
      el("span", {}, el("strong", {}, entry.who), ` ${entry.action.replace("_", " ")} ${nameOf ? nameOf(entry.title_id) : ""}`),
      el("span", { class: "faint" }, [fields(entry), entry.why && `“${entry.why}”`].filter(Boolean).join(" · ")))))];
}

function value(text, zone) {
  if (text === null || text === undefined) return "none";
  return /^\d{4}-\d\d-\d\dT/.test(text) ? `${clock(text, zone)} ${zoneName(text, zone)}` : text;
}

export async function audit(zone, nameOf) {
  const lines = el("div", {}, el("p", { class: "faint" }, "Loading"));
  shown("Audit", el("div", {}, lines, el("div", { class: "buttons" }, el("button", { type: "button", onclick: close }, "Close"))), "wide");
  lines.replaceChildren(...(await api.audit().then((found) => auditLines(found, zone, nameOf), (error) => [el("p", { class: "bad" }, error.message)])));
}

export function help(keys) {
  const list = el("dl", { class: "keys" }, ...keys.map(([key, text]) => el("div", {}, el("dt", {}, ...key.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, text))));
  shown("Keys", el("div", {}, list, el("div", { class: "buttons" }, el("button", { type: "button", class: "primary", onclick: close }, "Close"))));
  dialog().querySelector("button").focus();
}
