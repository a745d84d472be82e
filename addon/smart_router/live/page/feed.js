// Server-sent events by fetch: unlike an EventSource it sends a key, and tells a refusal from a lost connection.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10000;
const SILENT = 40000; // the router sends a comment every 15 s

// Calls `on.event(name, data)` for each event and `on.state(name, detail)` for `open`, `lost` and `refused`.
export async function follow(url, key, on) {
  let last = "";
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const control = new AbortController();
    let timer = setTimeout(() => control.abort(), SILENT);
    try {
      const headers = { accept: "text/event-stream", ...(last && { "last-event-id": last }), ...(key && { authorization: `Bearer ${key}` }) };
      const answer = await fetch(url, { headers, cache: "no-store", signal: control.signal });
      if (answer.status === 401 || answer.status === 403) {
        on.state("refused", await message(answer));
        return;
      }
      if (!answer.ok) throw new Error(await message(answer));
      on.state("open");
      for await (const event of events(answer.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => control.abort(), SILENT);
        pause = FIRST_PAUSE / 2;
        if (event.id) last = event.id;
        if (event.data) on.event(event.event, JSON.parse(event.data));
      }
      on.state("lost", { why: "it has closed the connection", pause });
    } catch (error) {
      on.state("lost", { why: reason(error), pause });
    } finally {
      clearTimeout(timer);
      control.abort();
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// Why a connection was lost; browsers word a failed one differently, and say nothing by it.
function reason(error) {
  if (error.name === "AbortError") return "it is silent";
  return error instanceof TypeError ? "" : error.message;
}

async function message(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `the router answered ${answer.status}`;
  }
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    const parts = held.split("\n\n");
    held = parts.pop();
    for (const part of parts) yield read(part);
  }
}

function read(part) {
  const event = {};
  for (const line of part.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) event[line.slice(0, at)] = line.slice(at + 2);
  }
  return event;
}
