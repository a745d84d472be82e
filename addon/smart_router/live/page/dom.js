// Elements from plain values. Text is only ever set as text: names in it come from clients.

// h("td.num", {title: "…"}, "text", element, …): `null` and `false` are left out.
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) {
    if (value != null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export function $(id) {
  return document.getElementById(id);
}

export function body(id) {
  return $(id).querySelector(".body");
}

export function show(id, visible) {
  $(id).hidden = !visible;
}

// Sets text only where it differs: a page that is left open changes thousands of times.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A table whose head is `headings`: [text, class] or text. The roles are said since narrow screens show rows as
// grids, with which browsers forget them.
export function table(id, caption, headings) {
  const head = headings.map((one) => {
    const [text, kind] = Array.isArray(one) ? one : [one, null];
    return h("th", { scope: "col", role: "columnheader", class: kind }, text);
  });
  const rows = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head));
  return h("table", { id, role: "table" }, h("caption.unseen", {}, caption), rows, h("tbody", { role: "rowgroup" }));
}

// Makes the children of `parent` those of `items`, in order: kept by key, made by `make`, brought up to date by
// `update`. Elements that are not among the items go.
export function keep(parent, items, key, make, update = () => {}) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = known.get(name);
    known.delete(name);
    if (!element) {
      element = make(item);
      element.dataset.key = name;
    }
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of known.values()) gone.remove();
}
