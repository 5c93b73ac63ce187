// The interface under api/v1 as the page sees it. Every refusal is an ApiError with the server's own sentence.

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const BASE = new URL("api/v1/", document.baseURI);

async function call(method, path, body) {
  const headers = { "X-Telecine-Request": "board" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(new URL(path, BASE), { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(response.status, problem.detail ?? response.statusText);
}

const of = (id, rest = "") => `titles/${encodeURIComponent(id)}${rest}`;

export const me = () => call("GET", "me");
export const whatIf = (id, change) => call("POST", of(id, "/what-if"), change);
export const reorder = (id, change, why) => call("PATCH", of(id, "/order"), { ...change, why });
export const act = (id, action, why) => call("POST", of(id, `/${action}`), { why });
export const versions = (id) => call("GET", of(id, "/versions"));
export const rollBack = (id, version, why) => call("POST", of(id, "/rollback"), { version, why });
export const decide = (id, answer) => call("POST", of(id, "/decision"), answer);
export const audit = (id) => call("GET", id ? of(id, "/audit") : "audit");
export const play = (title) => new URL(of(title.title_id, "/play"), BASE).href;
export const poster = (title) => new URL(of(title.title_id, `/poster?v=${encodeURIComponent(title.poster)}`), BASE).href;

// `onState` gets every state of all titles; `onLink` gets "live", "lost" (it comes back by itself) or "signed-out"
export function follow(onState, onTrouble, onLink) {
  const source = new EventSource(new URL("events", BASE));
  source.addEventListener("titles", (event) => {
    onLink("live");
    onState(JSON.parse(event.data));
  });
  source.addEventListener("trouble", (event) => onTrouble(JSON.parse(event.data).detail));
  source.addEventListener("open", () => onLink("live"));
  source.addEventListener("error", async () => {
    if (source.readyState !== EventSource.CLOSED) {
      onLink("lost");
      return;
    }
    const status = await me().then(() => 200, (error) => error.status);
    onLink(status === 401 || status === 403 ? "signed-out" : "lost");
    if (status !== 401 && status !== 403) setTimeout(() => follow(onState, onTrouble, onLink), 3000);
  });
  return source;
}
