// Charts without a library: bars as elements, columns as SVG.

import { dollars, span } from "./format.js";
import { h } from "./dom.js";

const WIDTH = 1000;
const TALL = 170;

// Rows of {label, value, text}: the longest fills the width.
export function bars(rows) {
  const longest = Math.max(...rows.map((row) => row.value), 0) || 1;
  return h("ul.bars", {}, rows.map((row) => {
    const bar = h("span.bar", { "aria-hidden": "true" });
    bar.style.width = `${Math.max(0.5, (100 * row.value) / longest)}%`;
    return h("li", {}, h("span.label", { title: row.label }, row.label), h("span.figure", {}, row.text), bar);
  }));
}

// Rows of {label, p50, p95}: from the median to the 95th percentile.
export function ranges(rows) {
  const longest = Math.max(...rows.map((row) => row.p95), 0) || 1;
  return h("ul.bars", {}, rows.map((row) => {
    const bar = h("span.range", { "aria-hidden": "true" });
    bar.style.marginLeft = `${(96 * row.p50) / longest}%`;
    bar.style.width = `${Math.max(1.5, (96 * (row.p95 - row.p50)) / longest)}%`;
    const text = `${span(row.p50)} … ${span(row.p95)}`;
    return h("li", {}, h("span.label", { title: row.label }, row.label), h("span.figure", {}, text), bar);
  }));
}

// Rows of {label, value, mark}: a column each, and a line at the amount that it is compared with, in dollars.
export function columns(rows, title) {
  const top = roundUp(Math.max(...rows.map((row) => Math.max(row.value, row.mark)), 0));
  const step = (WIDTH - 80) / rows.length;
  const wide = Math.min(40, step * 0.7);
  const every = Math.ceil(rows.length / 10);
  const y = (value) => 10 + TALL - (TALL * value) / top;
  const grid = [0, 0.5, 1].map((part) => [
    h("line.grid", { x1: 72, x2: WIDTH, y1: y(top * part), y2: y(top * part) }),
    h("text", { x: 64, y: y(top * part) + 5, "text-anchor": "end" }, dollars(top * part)),
  ]);
  const drawn = rows.map((row, place) => {
    const x = 80 + step * (place + 0.5);
    return h("g", {},
      h("title", {}, `${row.label}: ${dollars(row.value)} of ${dollars(row.mark)}`),
      h("rect.column", { x: x - wide / 2, y: y(row.value), width: wide, height: TALL + 10 - y(row.value), rx: 2 }),
      h("line.mark", { x1: x - wide / 2, x2: x + wide / 2, y1: y(row.mark), y2: y(row.mark) }),
      place % every === 0 && h("text", { x, y: TALL + 32, "text-anchor": "middle" }, row.label));
  });
  return h("svg", { viewBox: `0 0 ${WIDTH} ${TALL + 40}`, role: "img", "aria-label": title }, grid, drawn);
}

// The next of 1, 2, 5 times a power of ten.
function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * (1 - 1e-9));
}
