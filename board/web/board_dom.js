// Elements, built without markup in strings: what titles are called never becomes markup.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (value === true) made.setAttribute(key, "");
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const option = (value, label, chosen) => el("option", { value, selected: value === chosen }, label);

// Airflow shows the page in a frame that may neither navigate its parent nor open windows: the parent's own link may
export function go(url, { here = false } = {}) {
  const place = window.parent === window ? document : window.parent.document;
  const link = place.createElement("a");
  link.href = url;
  link.target = here ? "_self" : "_blank";
  link.rel = "noopener";
  place.body.append(link);
  link.click();
  link.remove();
}

export function linkTo(url, label, options = {}) {
  return el("a", {
    href: url,
    class: options.class ?? "link",
    onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(url, options);
    },
  }, label);
}

const LINKED = /(!?)\[([^\]]*)\]\((\/[^)\s]*)\)/g;

// A question's text, in which links and pictures of this server are such; all else stays text, and no markup is read.
export function withLinks(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(LINKED)) {
    const [whole, picture, label, path] = found;
    parts.push(text.slice(end, found.index));
    end = found.index + whole.length;
    if (path.startsWith("//")) parts.push(whole);
    else parts.push(picture ? el("img", { src: path, alt: label, loading: "lazy" }) : linkTo(path, label));
  }
  return [...parts, text.slice(end)];
}
