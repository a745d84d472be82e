// Charts without a library: elements whose sizes are shares.

import { dollars, span } from "./format.js";
import { h } from "./dom.js";

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
export function columns(rows) {
  const top = roundUp(Math.max(...rows.map((row) => Math.max(row.value, row.mark)), 0));
  const every = Math.ceil(rows.length / 6);
  const axis = [1, 0.5, 0].map((part) => h("span", {}, dollars(top * part)));
  const drawn = rows.map((row, place) => {
    const column = h("span.column");
    const mark = h("span.mark");
    column.style.height = `${(100 * row.value) / top}%`;
    mark.style.bottom = `${(100 * row.mark) / top}%`;
    const text = `${row.label}: ${dollars(row.value)} of ${dollars(row.mark)}`;
    return h("li", { title: text }, h("span.unseen", {}, text), h("span.plot", { "aria-hidden": "true" }, column, mark),
      h("span.label", { "aria-hidden": "true" }, place % every === 0 && row.label));
  });
  return h("div.chart", {}, h("div.axis", { "aria-hidden": "true" }, axis), h("ol", {}, drawn));
}

// The next of 1, 2, 5 times a power of ten.
function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * (1 - 1e-9));
}
