// The figures: cards, charts and breakdowns of a report.

import { count, dollars, dollarsAmong, minute, plural, share, span, words } from "./format.js";
import { $, body, h, keep, setText, show, table } from "./dom.js";
import { bars, columns, ranges } from "./charts.js";

const MOST_BARS = 8;

const COLUMNS = [
  ["requests", (row) => count(row.requests)],
  ["errors", (row) => share(row.error_rate)],
  ["failed over", (row) => share(row.failover_rate)],
  ["attempts failed", (row) => share(row.attempt_failure_rate)],
  ["tokens in", (row) => count(row.input)],
  ["out", (row) => count(row.output)],
  ["cost", (row, rows) => dollarsAmong(row.cost, rows.map((one) => one.cost))],
  ["saved", (row, rows) => dollarsAmong(row.saved, rows.map((one) => one.saved))],
  ["TTFT p50", (row) => span(row.ttft.p50)],
  ["p95", (row) => span(row.ttft.p95)],
];

const DIMENSIONS = ["tier", "provider", "model", "profile", "day"];

const CAUSES = {
  rate_limit: "the provider's limit of requests or tokens",
  quota: "the account has nothing left",
  auth: "the key or login was refused",
  auth_permanent: "the account was refused for good: see the provider's console",
  model_not_found: "the account has no such model",
  overloaded: "the provider is overloaded",
  server: "the provider failed, or the connection broke",
  timeout: "no answer within the time limit",
  context_length: "the prompt is too long for the model",
  content_filter: "the provider refused the content",
  bad_request: "the provider refused the request",
  unsupported: "the model does not take this request",
  too_large: "the answer is larger than router_max_answer",
  local: "this machine: no network, no DNS, or no file descriptors",
  client_left: "the client left before the end",
};

function comparedWith(figures) {
  const [first, ...others] = figures.baselines;
  if (!first) return "the dearest model";
  return first.name + (others.length ? ` (or ${others.length} other${others.length > 1 ? "s" : ""})` : "");
}

function cards(figures, total) {
  const basis = [
    [total.cost_estimated, "estimated"],
    [total.cost_equivalent, "list price of subscriptions"],
  ].filter(([amount]) => amount).map(([amount, name]) => `${dollars(amount)} ${name}`);
  if (total.unpriced) basis.push(`${count(total.unpriced)} of unknown price`);
  const saved = total.saved == null ? "nothing to compare yet" : `${share(total.saved_share)} less than ${comparedWith(figures)}`;
  return [
    ["cost", dollars(total.cost), basis.join(", "), "hero"],
    ["saved", dollars(total.saved), saved, total.saved > 0 ? "hero good" : "hero"],
    ["requests", count(total.requests), `${count(total.input)} tokens in, ${count(total.output)} out`],
    ["errors", share(total.error_rate), plural(total.errors, "request"), total.errors ? "bad" : ""],
    ["failed over", share(total.failover_rate), plural(total.failovers, "request")],
    ["TTFT median", span(total.ttft.p50), `p95 ${span(total.ttft.p95)}`],
    ["overhead median", span(total.overhead.p50), `p95 ${span(total.overhead.p95)}`],
  ];
}

export function drawCards(figures, total) {
  const make = ([name]) => h("div.card", { id: name.replaceAll(" ", "-") }, h("span.name", {}, name), h("b"), h("span.more"));
  keep($("summary"), cards(figures, total), ([name]) => name, make, (card, [, value, more, kind = ""]) => {
    card.className = `card ${kind}`.trim();
    setText(card.querySelector("b"), value);
    setText(card.querySelector(".more"), more);
  });
}

function drawTables(figures) {
  const parent = body("breakdown");
  const make = (name) => {
    const headings = [name, ...COLUMNS.map(([heading]) => [heading, "num"])];
    return h("div.scroll", {}, table(`by-${name}`, `By ${name}`, headings), h("p.quiet"));
  };
  keep(parent, DIMENSIONS, (name) => name, make, (part, name) => {
    part.classList.toggle("chosen", name === chosen());
    const makeRow = (row) => h("tr", {}, h("th", { scope: "row", title: row.name }, row.name), COLUMNS.map(() => h("td.num")));
    keep(part.querySelector("tbody"), figures.by[name], (row) => row.name, makeRow, (line, row) => {
      COLUMNS.forEach(([, text], place) => setText(line.children[place + 1], text(row, figures.by[name])));
    });
    const more = figures.more?.[name];
    setText(part.querySelector("p"), more ? `${count(more)} more: smart-router stats lists all.` : "");
  });
}

function chosen() {
  return document.querySelector(".tabs [aria-pressed=true]")?.dataset.key ?? "model";
}

export function drawTabs() {
  const tabs = document.querySelector(".tabs");
  const make = (name) => {
    const button = h("button", { type: "button", "aria-pressed": String(name === "model") }, name);
    button.addEventListener("click", () => {
      for (const one of tabs.children) one.setAttribute("aria-pressed", String(one === button));
      for (const part of body("breakdown").children) part.classList.toggle("chosen", part.dataset.key === name);
    });
    return button;
  };
  keep(tabs, DIMENSIONS, (name) => name, make);
}

function drawCharts(figures) {
  const models = figures.by.model.filter((row) => row.cost).sort((a, b) => b.cost - a.cost).slice(0, MOST_BARS);
  const waits = figures.by.provider.filter((row) => row.ttft.p50 != null).slice(0, MOST_BARS);
  const { day: days } = figures.by;
  show("spend", models.length);
  show("waits", waits.length);
  show("days", days.length > 1);
  body("spend").replaceChildren(bars(models.map((row) => ({ label: row.name, value: row.cost, text: dollars(row.cost) }))));
  body("waits").replaceChildren(ranges(waits.map((row) => ({ label: row.name, ...row.ttft }))), h("p.quiet", {}, "median … p95"));
  if (days.length > 1) {
    const rows = days.map((row) => ({ label: row.name.slice(5), value: row.compared_cost, mark: row.baseline }));
    const key = h("p.quiet", {}, h("i.key"), "routed requests ", h("i.key.line"), comparedWith(figures));
    body("days").replaceChildren(key, columns(rows));
  }
}

function drawFailures(figures) {
  const found = Object.entries(figures.failures);
  if (!found.length) {
    body("failures").replaceChildren(h("p.quiet", {}, "None."));
    return;
  }
  const rows = found.map(([kind, number]) => h("tr", {},
    h("th", { scope: "row" }, words(kind), h("span.why", {}, CAUSES[kind] ?? "")), h("td.num", {}, count(number))));
  const made = table("by-cause", "Failed attempts by cause", ["cause", ["attempts", "num"]]);
  made.tBodies[0].append(...rows);
  body("failures").replaceChildren(made);
}

export function drawFigures(figures, live) {
  const since = figures.since ? minute(figures.since) : "the beginning";
  setText($("span"), live ? "Today" : `Since ${since}, until ${minute(figures.until)}`);
  drawTables(figures);
  drawCharts(figures);
  drawFailures(figures);
  show("breakdown", figures.by.tier.length);
}
