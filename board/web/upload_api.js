// The service's uploads: every call bears a restart of the server, since what it keeps is in the registry and the store.
const BASE = new URL("api/v1/uploads", document.baseURI);
const PATIENCE_MS = 5 * 60 * 1000;

class Refused extends Error {}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function once(method, path, body) {
  const answer = await fetch(`${BASE}${path}`, {
    method,
    headers: { "X-Telecine-Request": "upload", ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
    credentials: "same-origin",
  });
  if (answer.ok) return { status: answer.status, content: await answer.json() };
  const told = await answer.json().catch(() => ({}));
  const sentence = typeof told.detail === "string" ? told.detail : `The server answered ${answer.status}.`;
  if (answer.status >= 500) throw new Error(sentence);
  throw new Refused(answer.status === 401 ? "You are signed out: sign in to Airflow again, then go on here." : sentence);
}

async function call(method, path, body) {
  const deadline = Date.now() + PATIENCE_MS;
  for (let wait = 500; ; wait = Math.min(wait * 2, 10000)) {
    try {
      return await once(method, path, body);
    } catch (error) {
      if (error instanceof Refused || Date.now() > deadline) throw error;
      await pause(wait);
    }
  }
}

const content = async (...asked) => (await call(...asked)).content;

export const options = () => content("GET", "/options");
export const listed = () => content("GET", "");
export const start = (wanted) => content("POST", "", wanted);
export const show = (id) => content("GET", `/${id}`);
export const sign = async (id, part) => (await content("POST", `/${id}/sign`, { parts: [part] })).urls[part];
export const complete = (id, sha256) => content("POST", `/${id}/complete`, { sha256 });
export const giveUp = (id) => content("DELETE", `/${id}`);
export const startTitle = (id, wanted) => content("POST", `/${id}/start`, wanted);

// Asks until the answer is there; undefined once `stale` says that nobody waits for it any more.
export async function known(id, what, profile, stale) {
  for (;;) {
    const { status, content: found } = await call("GET", `/${id}/${what}?profile=${encodeURIComponent(profile)}`);
    if (stale()) return undefined;
    if (status !== 202) return found;
    await pause(700);
  }
}
