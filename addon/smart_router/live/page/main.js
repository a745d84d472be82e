// The page: follows the router's events, or shows the state that a report has in it.

import { clock } from "./format.js";
import { $, h, setText, show } from "./dom.js";
import { drawCards, drawFigures, drawTabs } from "./summary.js";
import { announce, drawRecent, drawRunning } from "./requests.js";
import { drawProviders } from "./accounts.js";
import { follow } from "./feed.js";

const MOST_RECENT = 100;
const THEMES = ["auto", "light", "dark"];

const state = { running: new Map(), providers: new Map(), recent: [], router: {}, figures: null, total: null, records: null };
const dirty = new Set();
let connection = { name: "connecting" };
let heard = 0;
let ahead = 0; // seconds by which the router's clock is ahead of this one's

function now() {
  return Date.now() / 1000 + ahead;
}

function takeSnapshot(data) {
  state.running = new Map(data.running.map((row) => [row.id, row]));
  state.providers = new Map(data.providers.map((row) => [row.id, row]));
  for (const part of ["recent", "router", "figures", "total", "records"]) state[part] = data[part] ?? state[part];
  for (const part of Object.keys(state)) dirty.add(part);
}

function takeChange(data) {
  for (const [part, value] of Object.entries(data)) {
    if (!(part in state)) continue;
    dirty.add(part);
    if (part === "recent") {
      state.recent = [...value.toReversed(), ...state.recent].slice(0, MOST_RECENT);
    } else if (state[part] instanceof Map) {
      for (const id of value.gone) state[part].delete(id);
      for (const row of value.rows) state[part].set(row.id, row);
    } else {
      state[part] = value;
    }
  }
}

function notice(kind, ...text) {
  return h(`p.notice.${kind}`, {}, ...text);
}

function notices() {
  const { trouble, config } = state.router;
  const found = [];
  if (connection.name === "lost") found.push(notice("bad", `The router does not answer${connection.why ? `: ${connection.why}` : ""}. This page shows what it was told until ${heard ? clock(heard) : "now"}, and tries again.`));
  if (connection.name === "refused") found.push(notice("bad", `${connection.why}. Open this page as ${location.pathname}?key=KEY with a router key.`));
  for (const one of trouble ?? []) found.push(notice("bad", `This machine: ${one}`));
  if (state.records) found.push(notice("bad", state.records));
  if (config?.error) found.push(notice("bad", `The config was not reloaded: ${config.error}`));
  for (const warning of config?.warnings ?? []) found.push(notice("warn", `Config: ${warning}`));
  if ($("notices").textContent !== found.map((one) => one.textContent).join("")) $("notices").replaceChildren(...found);
}

const WORDS = { open: "live", connecting: "connecting", lost: "reconnecting", refused: "refused" };

function draw() {
  const { router } = state;
  const base = router.mitmweb && usable(router.mitmweb) ? router.mitmweb : null;
  if (dirty.has("figures") && state.figures) drawFigures(state.figures, true);
  if (dirty.has("total") && state.total) drawCards(state.figures, state.total);
  if (dirty.has("recent")) drawRecent(state.recent, base, `${location.origin}/v1`, now());
  drawRunning([...state.running.values()], router.running ?? 0, base, now());
  if (heard) drawProviders([...state.providers.values()], now());
  announce(router.running);
  setText($("status"), WORDS[connection.name]);
  $("status").className = connection.name;
  notices();
  if (router.version) setText($("foot"), `Smart Router ${router.version} at ${location.host}`);
  dirty.clear();
}

// mitmweb on another machine's loopback cannot be reached from here.
function usable(url) {
  const local = ["127.0.0.1", "localhost", "[::1]"];
  return !local.includes(new URL(url).hostname) || local.includes(location.hostname);
}

let frame = 0;
function soon() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

function live() {
  drawTabs();
  const key = new URLSearchParams(location.search).get("key");
  follow("/router/events", key, {
    event(name, data) {
      if (name === "snapshot") takeSnapshot(data);
      else takeChange(data);
      ahead = data.now - Date.now() / 1000;
      heard = now();
      soon();
    },
    state(name, detail) {
      connection = { name, ...(typeof detail === "string" ? { why: detail } : detail) };
      soon();
    },
  });
  setInterval(() => document.hidden || draw(), 1000);
}

function report(data) {
  drawTabs();
  show("running", false);
  show("providers", false);
  drawFigures(data.figures, false);
  drawCards(data.figures, data.figures.total);
  drawRecent(data.recent, null, null, data.figures.until);
  document.querySelector("main").append(document.querySelector(".columns"));
  setText($("foot"), `Smart Router ${data.router.version}`);
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  setText($("theme"), { auto: "◐ auto", light: "○ light", dark: "● dark" }[name]);
  $("theme").setAttribute("aria-label", `Colours: ${name}`);
}

function themes() {
  let name = "auto";
  try {
    name = localStorage.getItem("theme") ?? name;
  } catch { /* a file opened from disk may have no storage */ }
  theme(THEMES.includes(name) ? name : "auto");
  $("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    theme(next);
    try {
      localStorage.setItem("theme", next);
    } catch { /* it holds until the page is closed */ }
  });
}

themes();
const held = $("state");
if (held) report(JSON.parse(held.textContent));
else live();
