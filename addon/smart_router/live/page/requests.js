// Running and recent requests.

import { count, dollars, lasting, moment, plural, span, words } from "./format.js";
import { $, body, h, keep, setText, table } from "./dom.js";

const FEW = 20; // rows of recent requests that are shown at first

const RUNNING = ["model", ["attempt", "num"], "now", ["tokens", "num"], ["tokens/s", "num"], ["time", "num"]];
const RECENT = ["time", "model", "outcome", ["tokens", "num"], ["cost", "num"], ["saved", "num"], ["first token", "num"], ["total", "num"]];

// The flow and its attempts in mitmweb: all of them have the id in their comment.
function link(base, id, flow) {
  const path = flow ? `/flows/${flow}/request` : "/flows";
  return `${base}/#${path}?s=${encodeURIComponent(`~comment ${id}`)}`;
}

function flowLink(base, id, flow) {
  return base && h("a", { href: link(base, id, flow), target: "_blank", rel: "noopener noreferrer", title: "Show the request and its attempts in mitmweb" }, "flow");
}

function tier(name) {
  return h(`span.tier.${String(name ?? "explicit").toLowerCase().replaceAll(/[^a-z]/g, "")}`, {}, words(String(name ?? "explicit").replaceAll(/[()]/g, "")));
}

// `auto → openai/gpt-6-luna`; the name alone where the client asked for it.
function models(asked, answering) {
  const same = !answering || asked === answering;
  return [h("span.model", { title: answering || asked }, answering || asked), !same && h("span.asked", { title: asked }, asked)];
}

function cells(row, headings) {
  return headings.map((one, place) => {
    const [name, kind] = Array.isArray(one) ? one : [one, ""];
    const attributes = { class: kind || null, scope: place ? null : "row", role: place ? "cell" : "rowheader", "data-name": name };
    return h(place ? "td" : "th", attributes, ...(row[place] ?? []));
  });
}

function phase(row, now) {
  const silent = Math.max(0, now - row.since);
  if (row.phase === "streaming" && silent < 2) return "streaming";
  if (row.phase === "waiting to retry") return `next attempt in ${lasting(row.deadline - now)}`;
  const waits = ["connecting", "waiting for head", "waiting for first content", "receiving", "streaming"];
  if (!waits.includes(row.phase) || silent < 2) return row.phase;
  const what = row.phase === "streaming" ? "silent" : row.phase;
  return `${what} for ${lasting(silent)}, gives up in ${lasting(row.deadline - now)}`;
}

function rate(row, now) {
  const seconds = row.content_since == null ? 0 : now - row.content_since;
  return seconds > 0.2 && row.tokens ? count(Math.round(row.tokens / seconds)) : "–";
}

// A row's cells that change as it runs.
function updateRun(line, row, now) {
  const [, attempt, doing, tokens, speed, time] = line.children;
  setText(attempt, String(row.attempt || "–"));
  setText(doing.querySelector(".phase"), phase(row, now));
  line.classList.toggle("streams", row.phase === "streaming");
  setText(tokens, row.tokens ? `≈ ${count(row.tokens)}` : "–");
  setText(speed, rate(row, now));
  setText(time, lasting(now - row.started));
}

function runningRow(row, base) {
  return h("tr", { role: "row" }, cells([
    [h("div.names", {}, ...models(row.model, row.candidate), tier(row.tier)), h("span.why", { title: row.why }, row.why)],
    [],
    [h("span.phase"), h("span.by", {}, row.profile ?? "", row.client ? ` for ${row.client}` : "", " ", flowLink(base, row.id, row.flow))],
  ], RUNNING));
}

export function drawRunning(rows, total, base, now) {
  setText($("running-count"), total ? count(total) : "");
  const parent = body("running");
  if (!rows.length) {
    if (!parent.querySelector(".empty")) parent.replaceChildren(h("p.empty", {}, "No request is running."));
    return;
  }
  if (!parent.querySelector("table")) parent.replaceChildren(table("running-requests", "Running requests", RUNNING), h("p.quiet"));
  const ordered = [...rows].sort((a, b) => a.started - b.started);
  const key = (row) => `${row.id} ${row.candidate} ${row.profile}`;
  keep(parent.querySelector("tbody"), ordered, key, (row) => runningRow(row, base), (line, row) => updateRun(line, row, now));
  setText(parent.querySelector("p"), total > rows.length ? `and ${count(total - rows.length)} more` : "");
}

function outcome(row) {
  if (!row.failure) return h("span.state.good", {}, row.attempts > 1 ? `answered by attempt ${row.attempts}` : "answered");
  if (row.failure === "client_left") return h("span.state", {}, "client left");
  return h("span.state.bad", {}, words(row.failure));
}

function details(row, base) {
  const tried = row.tried.map((one, place) => h("li", {},
    `${place + 1}. ${one.provider}/${one.model} (${one.profile}): ${one.failure ? words(one.failure) : "answered"}${one.status ? `, ${one.status}` : ""} in ${span(one.duration)}`));
  const facts = [
    row.profile && `profile ${row.profile}`,
    row.client && `client ${row.client}`,
    `status ${row.status ?? "none"}`,
    `${count(row.input)} tokens in (${count(row.cached)} cached), ${count(row.output)} out`,
    row.basis && row.basis !== "measured" && `cost ${row.basis}`,
    row.baseline && `compared with ${row.baseline}`,
    `id ${row.id}`,
  ];
  return h("details", {}, h("summary", { title: row.why }, h("span.why", {}, row.why)),
    h("div.more", {}, tried.length > 0 && h("ol", {}, tried), h("p", {}, facts.filter(Boolean).join("; "), " ", flowLink(base, row.id))));
}

function recentRow(row, base, now) {
  const answering = row.provider ? `${row.provider}/${row.model}` : "";
  return h("tr", { role: "row" }, cells([
    [moment(row.time, now)],
    [h("div.names", {}, ...models(row.asked, answering), tier(row.tier)), details(row, base)],
    [outcome(row)],
    [`${count(row.input)} → ${count(row.output)}`],
    [row.basis === "estimated" ? "≈ " : "", dollars(row.cost)],
    [dollars(row.saved)],
    [span(row.ttft)],
    [span(row.duration)],
  ], RECENT));
}

export function drawRecent(rows, base, address, now) {
  const parent = body("recent");
  if (!rows.length) {
    parent.replaceChildren(h("p.empty", {}, "No requests yet. ", address && h("span", {}, "Point a tool at ", h("code", {}, address))));
    return;
  }
  if (!parent.querySelector("table")) parent.replaceChildren(table("recent-requests", "Recent requests", RECENT), moreButton(() => drawRecent(...shownRecent)));
  shownRecent = [rows, base, address, now];
  const button = parent.querySelector("button.more");
  const shown = button.dataset.open ? rows : rows.slice(0, FEW);
  keep(parent.querySelector("tbody"), shown, (row) => `${row.number} ${row.id}`, (row) => recentRow(row, base, now));
  button.hidden = rows.length <= FEW;
  setText(button, button.dataset.open ? "Show fewer" : `Show all ${rows.length}`);
}

let shownRecent = [];

function moreButton(draw) {
  const button = h("button.more", { type: "button" });
  button.addEventListener("click", () => {
    button.dataset.open = button.dataset.open ? "" : "yes";
    draw();
  });
  return button;
}

export function announce(running) {
  document.title = running ? `${plural(running, "request")} · Smart Router` : "Smart Router";
}
