// An order's history: its events with their times from its creation on, and a bar from each event to the next.
import { act, clock, el, fields } from "./shown.js";
const SVG = "http://www.w3.org/2000/svg", MARK = 1.2;

// A duration in µs, as people say it.
function duration(us) {
  if (us < 1e6) return `${(us / 1e3).toFixed(1)} ms`;
  if (us < 60e6) return `${(us / 1e6).toFixed(2)} s`;
  const minutes = Math.floor(us / 60e6);
  return minutes < 60 ? `${minutes} min ${Math.floor((us % 60e6) / 1e6)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// The bar from one time to another, in shares of the whole: a wait, and a mark at its end.
function bar(from, to, label) {
  const picture = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": label });
  const end = Math.min(100 * to, 100 - MARK);
  picture.append(shape("rect", { class: "wait", x: 100 * from, y: 3, width: Math.max(0, end - 100 * from), height: 4 }),
    shape("rect", { class: "mark", x: end, y: 0, width: MARK, height: 10 }));
  return picture;
}

export function waterfall(events) {
  const start = events[0].published_at_us, whole = Math.max(1, events.at(-1).published_at_us - start);
  const rows = events.map((event, n) => {
    const at = event.published_at_us - start, before = n ? events[n - 1].published_at_us - start : 0;
    const label = `${duration(at)} after the order's creation${n ? `, ${duration(at - before)} after the event before` : ""}`;
    return el("tr", { title: label },
      el("td", { className: "at" }, el("time", { textContent: `+${duration(at)}`, dateTime: new Date(event.published_at_us / 1000).toISOString() }),
        ...(n ? [el("small", { className: "quiet", textContent: `${duration(at - before)} later` })] : [])),
      el("td", {}, el("span", { className: "topic", textContent: event.topic }), " ", act(event), " ", fields(event, true)),
      el("td", { className: "wide" }, bar(before / whole, at / whole, label)));
  });
  const table = el("table", { className: "fall" },
    el("thead", {}, el("tr", {}, ...["after creation", "event", "time"].map((name) => el("th", { textContent: name })))), el("tbody", {}, ...rows));
  const about = `${events.length} events from ${clock(start / 1000)} on, over ${duration(whole)}. A bar is the time since the event before, a mark the event.`;
  return [el("p", { className: "quiet", textContent: about }), el("div", { className: "scroll" }, table)];
}
