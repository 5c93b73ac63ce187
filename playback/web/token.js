// The viewer's token: taken from ?token= or #token= of the address, then kept for this tab alone and taken out of the
// address bar, so that it is in no history entry, screenshot or Referer.

const SLOT = "telecine.token";

export function viewerToken() {
  const address = new URL(location.href);
  const fragment = new URLSearchParams(address.hash.slice(1));
  const given = address.searchParams.get("token") ?? fragment.get("token");
  if (given === null) return sessionStorage.getItem(SLOT) ?? "";
  address.searchParams.delete("token");
  fragment.delete("token");
  address.hash = fragment.toString();
  history.replaceState(null, "", address);
  keepToken(given);
  return given;
}

export function keepToken(token) {
  sessionStorage.setItem(SLOT, token.trim());
}

// Whose token it is, by its own word (RFC 7519, "sub"): enough to keep one viewer's choices from another's.
export function viewerOf(token) {
  try {
    return String(JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub);
  } catch {
    return "";
  }
}
