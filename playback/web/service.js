// The playback service as the page sees it. Every refusal is a ServiceError with the service's own reason code.

export class ServiceError extends Error {
  constructor(reason, detail, status = 0) {
    super(detail);
    this.reason = reason;
    this.status = status;
  }
}

async function call(path, token, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (options.body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new ServiceError("unreachable", "The playback service does not answer.");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  throw new ServiceError(problem.reason ?? "unknown", problem.detail ?? response.statusText, response.status);
}

export const liveTitles = () => call("/v1/titles", "");

// scheme: the one this browser needs; undefined where any will do
export const openSession = (title, token, scheme) =>
  call("/v1/sessions", token, { method: "POST", body: JSON.stringify({ title, device: "web", scheme }) });

export const sendHeartbeat = (session, beat) =>
  call(`/v1/sessions/${session.session_id}/heartbeat`, session.playback_token, {
    method: "POST",
    body: JSON.stringify(beat),
  });

// each licence needs a token of its own: it is good once
export async function licenseToken(session) {
  const found = await call(new URL(session.license_token_url).pathname, session.playback_token, { method: "POST" });
  return found.license_token;
}

// keepalive lets the request outlive the page it is sent from
export const endSession = (session, positionS) =>
  call(`/v1/sessions/${session.session_id}?position_s=${positionS.toFixed(3)}`, session.playback_token, {
    method: "DELETE",
    keepalive: true,
  });
