// Times in a zone the person chose, and lengths of time in words.

const KEPT = "telecine.board.zone";
const OWN = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export const zones = () => [...new Set([OWN, "UTC", ...Intl.supportedValuesOf("timeZone")])];

export function chosenZone() {
  const kept = localStorage.getItem(KEPT);
  return zones().includes(kept) ? kept : OWN;
}

export const chooseZone = (zone) => localStorage.setItem(KEPT, zone);

const PARTS = {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short",
};
const formats = new Map();

// kept for each zone: making one costs more than all that is done with it, and a full board needs thousands a second
function formatOf(zone, options) {
  const named = `${zone} ${options === PARTS}`;
  if (!formats.has(named)) formats.set(named, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(named);
}

const parts = (date, zone) => Object.fromEntries(formatOf(zone, PARTS).formatToParts(date).map(({ type, value }) => [type, value]));

// "14:05 CET", with the day when it is not today
export function clock(iso, zone, now = new Date()) {
  if (!iso) return "";
  const [then, today] = [parts(new Date(iso), zone), parts(now, zone)];
  const sameDay = ["year", "month", "day"].every((part) => then[part] === today[part]);
  const day = sameDay ? "" : `${Number(then.day)} ${month(iso, zone)}${then.year === today.year ? "" : ` ${then.year}`}, `;
  return `${day}${then.hour}:${then.minute}`;
}

export const zoneName = (iso, zone) => parts(new Date(iso), zone).timeZoneName;

const MONTH = { month: "short" };
const month = (iso, zone) => formatOf(zone, MONTH).format(new Date(iso));

export function exact(iso, zone) {
  const found = parts(new Date(iso), zone);
  return `${found.year}-${found.month}-${found.day} ${found.hour}:${found.minute}:${found.second} ${found.timeZoneName}`;
}

// for <input type="datetime-local">
export function localValue(iso, zone) {
  const found = parts(new Date(iso), zone);
  return `${found.year}-${found.month}-${found.day}T${found.hour}:${found.minute}`;
}

// wall-clock time of a zone as a moment; null when clocks skip it
export function momentOf(local, zone) {
  const wanted = Date.parse(`${local}:00Z`);
  let moment = wanted;
  for (let round = 0; round < 2; round += 1) {
    moment += wanted - Date.parse(`${localValue(new Date(moment).toISOString(), zone)}:00Z`);
  }
  const iso = new Date(moment).toISOString();
  return localValue(iso, zone) === local ? iso : null;
}

export function span(seconds) {
  const whole = Math.abs(Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor((whole % 86400) / 3600), Math.floor((whole % 3600) / 60)];
  if (days) return `${days} d${hours ? ` ${hours} h` : ""}`;
  if (hours) return `${hours} h${minutes ? ` ${minutes} min` : ""}`;
  if (minutes) return minutes >= 10 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  return `${whole} s`;
}

export const moved = (seconds) =>
  seconds === null || seconds === undefined ? "by an unknown time" : `${span(seconds)} ${seconds > 0 ? "later" : "earlier"}`;
