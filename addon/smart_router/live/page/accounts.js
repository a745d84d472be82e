// Providers, their profiles, and the windows in which these are not used.

import { clock, day, lasting } from "./format.js";
import { body, h, keep, setText } from "./dom.js";

const GOOD = "usable";

function window_(row, now) {
  if (row.until == null) return "";
  const at = row.until - now > 43200 ? `${day(row.until)} ${clock(row.until)}` : clock(row.until);
  const since = row.since == null ? "" : `since ${clock(row.since)}, `;
  return row.until > now ? `${since}until ${at} (${lasting(row.until - now)})` : "tried again with the next request";
}

function progress(row, now) {
  if (row.until == null || row.since == null) return 0;
  return Math.min(1, Math.max(0, (row.until - now) / Math.max(1, row.until - row.since)));
}

function entry(tag) {
  return h(tag, {}, h("div.line", {}, h("span.dot", { "aria-hidden": "true" }), h("span.name"), h("span.state")),
    h("div.why"), h("div.window"), h("div.left", { "aria-hidden": "true" }, h("span")), h("ul"));
}

function updateEntry(element, name, row, now) {
  const [line, why, window, left] = element.children;
  const bad = row.state !== GOOD;
  element.className = bad ? `profile ${row.state}` : "profile";
  setText(line.children[1], name);
  setText(line.children[2], bad ? row.state : "");
  setText(why, bad ? (row.why ?? "") : "");
  setText(window, window_(row, now));
  left.hidden = !progress(row, now);
  left.firstChild.style.width = `${100 * progress(row, now)}%`;
}

function profile(element, row, now) {
  updateEntry(element, row.id, row, now);
  keep(element.lastChild, row.models, (one) => one.model, () => entry("li"), (child, one) => updateEntry(child, one.model, one, now));
}

export function drawProviders(rows, now) {
  const parent = body("providers");
  if (!rows.length) {
    parent.replaceChildren(h("p.empty", {}, "No provider has a key or login."),
      h("p.quiet", {}, "Set a key such as ", h("code", {}, "OPENAI_API_KEY"), " and restart, or run ", h("code", {}, "smart-router profiles add openai main")));
    return;
  }
  if (!parent.querySelector("ul.providers")) parent.replaceChildren(h("ul.providers"));
  const make = (row) => h("li", {}, h("h3", {}, row.id), h("ul"));
  keep(parent.firstChild, rows, (row) => row.id, make, (element, row) => {
    keep(element.lastChild, row.profiles, (one) => one.id, () => entry("li"), (child, one) => profile(child, one, now));
  });
}
