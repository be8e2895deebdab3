// Recorded events: the last ones of all topics, and those of one order. GET /events/{partition} tells them oldest first.
import { get, parts, reached } from "./shown.js";
const PAGE_EVENTS = 1000, SPAN_MS = 1000, SPAN_FACTOR = 60, TRIES_MAX = 12, BURST_PAGES = 10, CLOCKS_MS = 1000, CLOCK_AHEAD_MS = 86_400_000;
const TOPICS_OF_ORDER = ["inventory", "billing", "shipping", "mail"];
// The name of an event's partition, and those of a topic's partitions that have a position.
export const partition = ({ topic, partition: number }) => (number ? `${topic}.${number}` : topic);
export const partitions = (topic, positions) => Object.keys(positions).filter((one) => one.split(".")[0] === topic);
const events_after = (one, after) => get(`/events/${one}?limit=${PAGE_EVENTS}&after=${after}`);
const by_time = (a, b) => a.published_at_us - b.published_at_us || (reached(a.position, b.position) ? 1 : -1);

// Reads on from a position: the events that fit, and whether there are more than were read.
async function matching(one, after, pages, fits) {
  const found = [];
  for (let page = 0; page < pages; page++) {
    const { result, cursor } = await events_after(one, after);
    found.push(...result.filter(fits));
    if (!cursor) return { found, more: false };
    after = cursor;
  }
  return { found, more: true };
}

// What fits in any of a topic's partitions.
async function matching_in_all(topic, positions, after, pages, fits) {
  const all = await Promise.all(partitions(topic, positions).map((one) => matching(one, after, pages, fits)));
  return { found: all.flatMap(({ found }) => found), more: all.some(({ more }) => more) };
}

// The last events of a partition up to a position: finds a span of time that has enough of them, and not more than a page.
async function last_of(one, end, wanted) {
  const [end_ms] = parts(end);
  let found = [], short = 0, long = Infinity, span = Math.min(SPAN_MS, end_ms);
  for (let tries = 0; tries < TRIES_MAX && span > short; tries++) {
    const { result, cursor } = await events_after(one, `${end_ms - span}-0`);
    if (cursor) long = span;
    else {
      found = result.filter((event) => reached(end, event.position));
      short = span;
      if (found.length >= wanted) break;
    }
    span = long === Infinity ? Math.min(end_ms, span * SPAN_FACTOR) : Math.floor(Math.sqrt(Math.max(1, short) * long));
  }
  // More than a page at one moment: that is read through, as far as the largest array of a request is long.
  if (found.length < wanted && long < Infinity) ({ found } = await matching(one, `${end_ms - long}-0`, BURST_PAGES, (event) => reached(end, event.position)));
  return found.slice(-wanted);
}

// The last events up to these positions, oldest first.
export async function last(positions, wanted) {
  const all = await Promise.all(Object.entries(positions).map(([one, end]) => last_of(one, end, wanted)));
  return all.flat().sort(by_time).slice(-wanted);
}

// An order's own events and those of its stock, billings, shippings and mails, oldest first. Reads at most so many pages of each topic,
// from the order's creation on if its id tells that; `more`: the topics that have events beyond. `positions`: of every partition.
export async function of_order(id, pages, positions) {
  // An id of the system's (UUID v7) begins with the time of its creation. An order with another id, such as one that was made
  // with an Idempotency-Key, is looked for from the start.
  const begins_ms = /^[0-9a-f]{12}7[0-9a-f]{3}[89ab]/.test(id) ? parseInt(id.slice(0, 12), 16) : 0;
  const time = begins_ms < Date.now() + CLOCK_AHEAD_MS ? begins_ms : 0;
  const own = await matching_in_all("order", positions, `${Math.max(0, time - CLOCKS_MS)}-0`, pages, (event) => event.aggregate_id === id);
  if (!own.found.length) return { events: [], more: own.more ? ["order"] : [] };
  const from = `${parts(own.found[0].position)[0] - 1}-0`;
  const others = await Promise.all(TOPICS_OF_ORDER.map((topic) => {
    const known = new Set();
    // A billing or shipping names its order when it is created, and not when it is deleted. Stock and mails have the order's id in theirs or their text.
    return matching_in_all(topic, positions, from, pages, (event) => {
      const fits = known.has(event.aggregate_id) || event.data?.order_id === id || `${event.event_id}.`.startsWith(`${id}.`)
        || (topic === "mail" && String(event.data?.message).includes(id));
      if (fits && (topic === "billing" || topic === "shipping")) known.add(event.aggregate_id);
      return fits;
    });
  }));
  const more = ["order", ...TOPICS_OF_ORDER].filter((_, n) => [own, ...others][n].more);
  return { events: [own, ...others].flatMap(({ found }) => found).sort(by_time), more };
}
