// Figures in readable form, the same as in the terminal (stats/formatting.py); an unknown value is a dash.

const UNKNOWN = "–";

const formats = new Map();

// Rounds as Python does: a tie goes to the even digit.
function fixed(number, digits, useGrouping = false) {
  const key = `${digits} ${useGrouping}`;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits, roundingMode: "halfEven", useGrouping };
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat("en-US", options));
  return formats.get(key).format(number);
}

// The decimals that show two digits of an amount.
function decimals(size) {
  return size >= 1 ? 2 : Math.max(4, 1 - Math.floor(Math.log10(size)));
}

export function dollars(amount) {
  if (amount == null) return UNKNOWN;
  if (!amount) return "$0";
  const size = Math.abs(amount);
  return `${amount < 0 ? "-" : ""}$${fixed(size, decimals(size), true)}`;
}

// An amount in a column: with as many decimals as the smallest needs, six at most, four beside dollars.
export function dollarsAmong(amount, column) {
  if (amount == null) return UNKNOWN;
  const sizes = column.filter(Boolean).map(Math.abs);
  const digits = Math.min(Math.max(...sizes) >= 1 ? 4 : 6, decimals(Math.min(...sizes, 1)));
  const size = Math.abs(amount);
  const hidden = size > 0 && size < 0.5 * 10 ** -digits;
  return `${amount < 0 ? "-" : ""}${hidden ? "<" : ""}$${fixed(hidden ? 10 ** -digits : size, digits, true)}`;
}

export function share(part) {
  return part == null ? UNKNOWN : `${fixed(100 * part, 1)} %`;
}

export function span(seconds) {
  if (seconds == null) return UNKNOWN;
  return seconds >= 1 ? `${fixed(seconds, 2)} s` : `${fixed(1000 * seconds, 1)} ms`;
}

export function count(number) {
  return number < 1e6 ? fixed(number, 0, true) : `${fixed(number / 1e6, 1, true)}M`;
}

// A length of time for people: 8 s, 2 min 5 s, 3 h 20 min, 2 d 4 h.
export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return "0 s";
  const [name, size] = units[first];
  const text = `${Math.floor(whole / size)} ${name}`;
  const next = units[first + 1];
  const rest = next ? Math.floor((whole % size) / next[1]) : 0;
  return rest ? `${text} ${rest} ${next[0]}` : text;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

function two(number) {
  return String(number).padStart(2, "0");
}

export function clock(unix) {
  const at = new Date(unix * 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function day(unix) {
  const at = new Date(unix * 1000);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

export function minute(unix) {
  return `${day(unix)} ${clock(unix).slice(0, 5)}`;
}

// A time of the same day as `now` without the date.
export function moment(unix, now) {
  return day(unix) === day(now) ? clock(unix) : minute(unix).slice(5);
}

export function words(code) {
  return String(code).replaceAll("_", " ");
}
