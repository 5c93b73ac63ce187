// The list of live titles.

import { liveTitles } from "./service.js";
import { viewerToken } from "./token.js";

function card({ title, name }) {
  const link = document.createElement("a");
  link.href = `/player/${encodeURIComponent(title)}`;
  const letter = document.createElement("span");
  letter.className = "letter";
  letter.setAttribute("aria-hidden", "true");
  letter.textContent = name.slice(0, 1).toUpperCase();
  const label = document.createElement("strong");
  label.textContent = name;
  const id = document.createElement("span");
  id.className = "faint mono";
  id.textContent = title;
  link.append(letter, label, id);
  const item = document.createElement("li");
  item.append(link);
  return item;
}

viewerToken();
const note = document.getElementById("note");
try {
  const titles = await liveTitles();
  document.getElementById("titles").replaceChildren(...titles.map(card));
  note.textContent = titles.length ? "" : "Nothing is live yet. Submit a master with `telecine submit`.";
} catch (error) {
  note.textContent = error.message;
}
