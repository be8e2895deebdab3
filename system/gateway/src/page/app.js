// The page: shows the live feed and browses the state. Values are inserted as text, never as markup.
import { $, act, clock, el, failure, fields, figure, get, heading, line, money, parts, reached, status, text } from "./shown.js";
import { last, of_order, partition, partitions } from "./recorded.js";
import { waterfall } from "./waterfall.js";
const TOPICS = { customer: "customers", product: "products", inventory: "inventories", cart: "carts", order: "orders", billing: "billings", shipping: "shippings", mail: "mails" };
const EVENTS_MAX = 200, EARLIER = 50, SECONDS = 60, PAGE = 50, ORDERS_MAX = 100, RETRY_MS_MAX = 5000, HISTORY_PAGES = 2;

function link(topic, id) {
  const button = el("button", { type: "button", className: "id", textContent: text(id), title: text(id) });
  button.onclick = () => open(topic, id);
  return button;
}
// A field's value as nodes; an id becomes a link to its entity.
function nodes(name, value, topic) {
  if (name === "status") return [status(value)];
  if (name === "lines" && topic === "order" && Array.isArray(value)) return value.map((each) => { const [before, after] = line(each); return el("div", {}, before, link("product", each.product_id), after); });
  const [, named, many] = /^(.+)_id(s?)$/.exec(name) ?? [];
  const target = named === "entity" ? topic : named;
  if (!Object.hasOwn(TOPICS, target ?? "") || target === "mail") return [figure(name, value, topic)];
  if (!many) return [link(target, value)];
  return Array.isArray(value) ? value.map((id) => link(target, id)) : [text(value)];
}

// ---- live
// The positions `applied` and `seen` are by partition: each topic has one, or several of its own order.
const filter = new Set(Object.keys(TOPICS)), counts = {}, applied = {}, chips = {}, seen = {};
// How many events from before the feed are listed; null until they have been read.
let earlier = null, recalling = false, earlier_failed = "";
let waiting = [], held = [], paused = false, total = 0, second = 0, scheduled = false, retry_ms = 250, skipped = false;
const rates = new Array(SECONDS).fill(0);

for (const topic of Object.keys(TOPICS)) {
  counts[topic] = 0;
  const count = el("b", { textContent: "0" }), at = el("small", { textContent: "applied –", title: "the last event that the read model has applied" });
  const chip = el("button", { type: "button" }, topic, count, at);
  chip.setAttribute("aria-pressed", "true");
  chip.onclick = () => {
    if (!filter.delete(topic)) filter.add(topic);
    chip.setAttribute("aria-pressed", filter.has(topic));
    for (const row of $("events").children) row.hidden = !filter.has(row.dataset.topic);
  };
  chips[topic] = { count, at };
  $("topics").append(chip);
}

function row(event) {
  const published_ms = event.published_at_us / 1000;
  // A stock event leads to its order; a mail can't be opened.
  const id = event.topic === "mail" ? el("span", { className: "id plain", textContent: event.aggregate_id, title: event.aggregate_id })
    : link(event.action.startsWith("stock_") ? "order" : event.topic, event.aggregate_id);
  const item = el("li", { hidden: !filter.has(event.topic) },
    el("time", { textContent: clock(published_ms), dateTime: new Date(published_ms).toISOString() }),
    el("span", { className: "topic", textContent: event.topic }),
    act(event), id, fields(event));
  item.dataset.topic = event.topic;
  return item;
}

function schedule() {
  if (!scheduled) { scheduled = true; requestAnimationFrame(draw); }
}

function draw() {
  scheduled = false;
  const list = $("events");
  if (waiting.length) {
    list.prepend(...waiting.slice(-EVENTS_MAX).reverse().map(row));
    waiting = [];
    while (list.children.length > EVENTS_MAX) list.lastChild.remove();
  }
  for (const [topic, chip] of Object.entries(chips)) {
    chip.count.textContent = counts[topic];
    const of_topic = partitions(topic, applied);
    if (!of_topic.length) continue;
    const ms = Math.max(...of_topic.map((one) => parts(applied[one])[0])), behind = of_topic.some((one) => !reached(applied[one], seen[one]));
    chip.at.textContent = ms ? `applied to ${clock(ms)}` : "nothing to apply";
    chip.at.title = of_topic.map((one) => `${one}: the read model has applied ${applied[one]}, the feed has shown ${seen[one] ?? "nothing"}`).join("\n");
    chip.at.className = behind ? "warn" : "";
  }
  $("none").hidden = total > 0 || earlier !== 0;
  const shown = list.children.length;
  $("shown").textContent = earlier_failed || total || earlier ? `${earlier_failed}${total} events since the page was opened${earlier ? `, ${earlier} from before` : ""}${total + earlier > shown ? `, ${shown} listed` : ""}${paused ? `, ${held.length} held back` : ""}${skipped ? "; some were skipped because they arrived faster than this page can show them" : ""}` : "";
}

function take(message) {
  if (message.type === "events") {
    for (const event of message.events) {
      counts[event.topic]++; total++; second++;
      seen[partition(event)] = event.position;
      (paused ? held : waiting).push(event);
    }
    if (waiting.length > 2 * EVENTS_MAX) waiting = waiting.slice(-EVENTS_MAX);
    if (held.length > 2 * EVENTS_MAX) held = held.slice(-EVENTS_MAX);
  } else {
    if (message.type === "applied") Object.assign(applied, message.positions);
    else {
      if (!recalling) recall({ ...message.positions });
      Object.assign(seen, message.positions);
    }
  }
  schedule();
}

// Lists the last events before the feed's first: below those that came in the meantime.
async function recall(positions) {
  recalling = true;
  try {
    const events = await last(positions, EARLIER), room = EVENTS_MAX - $("events").children.length;
    const rows = events.reverse().slice(0, Math.max(0, room)).map(row);
    $("events").append(...rows);
    earlier = rows.length;
  } catch (error) { earlier_failed = `earlier events can't be shown: ${error.message}; `; }
  schedule();
}

function connection(state, kind) {
  $("connection").textContent = state;
  $("connection").className = `badge ${kind}`;
}

function connect() {
  const url = new URL("/events", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  // After a reconnect, the feed continues where it stopped.
  const after = Object.entries(seen).map(([one, position]) => `${one}=${position}`).join(",");
  if (after) url.searchParams.set("after", after);
  const socket = new WebSocket(url);
  socket.onopen = () => { retry_ms = 250; connection("live", "good"); };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = (end) => {
    connection(end.reason || "reconnecting…", "bad");
    // A page that is too slow continues with new events; it would never catch up with the missed ones.
    if (end.reason.startsWith("too slow")) { skipped = true; for (const one in seen) delete seen[one]; }
    setTimeout(connect, retry_ms);
    retry_ms = Math.min(2 * retry_ms, RETRY_MS_MAX);
  };
}

setInterval(() => {
  rates.push(second); rates.shift(); second = 0;
  $("rate").textContent = rates.at(-1);
  const max = Math.max(10, ...rates);
  $("spark").firstElementChild.setAttribute("points", rates.map((n, i) => `${(i * 120) / (SECONDS - 1)},${26 - (24 * n) / max}`).join(" "));
}, 1000);

$("pause").onclick = () => {
  paused = !paused;
  $("pause").textContent = paused ? "Resume" : "Pause";
  $("pause").setAttribute("aria-pressed", paused);
  if (!paused) { waiting.push(...held); held = []; }
  schedule();
};
$("clear").onclick = () => { waiting = []; held = []; $("events").replaceChildren(); schedule(); };

// ---- state
const whole = (entity, topic) => el("dl", { className: "card" }, ...Object.entries(entity).flatMap(([name, value]) =>
  [el("dt", { textContent: heading(name, topic) }), el("dd", {}, ...nodes(name, value, topic))]));

function fill(table, entities, topic) {
  const names = [...new Set(entities.flatMap((entity) => Object.keys(entity)))];
  table.replaceChildren(
    el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { textContent: heading(name, topic) })))),
    el("tbody", {}, ...entities.map((entity) => el("tr", {}, ...names.map((name) => el("td", {}, ...(name in entity ? nodes(name, entity[name], topic) : [])))))));
}

for (const [topic, plural] of Object.entries(TOPICS)) $("collection").append(el("option", { value: topic, textContent: plural }));
$("collection").value = "order";
let cursor = null, listed = null, asked = 0;

async function page(from) {
  const topic = $("collection").value, mine = ++asked;
  listed = topic;
  const path = topic === "mail" ? "/mails/sent" : `/${TOPICS[topic]}`;
  const query = new URLSearchParams({ limit: PAGE, ...(from ? { cursor: from } : {}) });
  try {
    const body = await get(`${path}?${query}`);
    // Another list was requested in the meantime.
    if (mine !== asked) return;
    fill($("table"), body.result, topic);
    cursor = body.cursor ?? null;
    $("page").textContent = body.result.length ? `${body.result.length} shown${cursor ? ", more follow" : ""}` : "none";
  } catch (error) {
    if (mine !== asked) return;
    cursor = null;
    $("table").replaceChildren();
    $("page").textContent = error.message;
  }
  $("next").disabled = !cursor;
}
$("collection").onchange = () => { opened = null; $("entity").replaceChildren(); $("history").replaceChildren(); page(); };
$("first").onclick = () => page();
$("next").onclick = () => page(cursor);

// Shows what has happened to an order, as far as so many pages of each topic tell.
let opened = null;
async function history(id, pages) {
  const mine = opened;
  $("history").replaceChildren(el("p", { className: "quiet", textContent: "reading its events…" }));
  let nodes;
  try {
    const { events, more } = await of_order(id, pages, seen);
    const again = (label, pages) => { const button = el("button", { type: "button", textContent: label }); button.onclick = () => history(id, pages); return button; };
    const bar = el("div", { className: "bar" }, el("h3", { textContent: "History" }), again("Refresh", pages));
    if (more.length) bar.append(again("Look further", 5 * pages), el("span", { className: "quiet", textContent: `only ${pages * 1000} events were read of: ${more.join(", ")}` }));
    nodes = [bar, ...events.length ? waterfall(events) : [el("p", { className: "quiet", textContent: "no events of this order were found" })]];
  } catch (error) { nodes = [failure(error)]; }
  // Another entity was opened in the meantime.
  if (mine === opened) $("history").replaceChildren(...nodes);
}

async function open(topic, id) {
  opened = {};
  $("history").replaceChildren();
  if (topic === "order") history(id, HISTORY_PAGES);
  $("collection").value = topic;
  $("id").value = id;
  if (location.hash !== "#browse") location.hash = "browse";
  else if (listed !== topic) page();
  scrollTo(0, 0);
  try {
    if (topic === "mail") throw new Error("a mail can't be opened by its id; see the list");
    const { result } = await get(`/${topic}/${encodeURIComponent(id)}`);
    $("entity").replaceChildren(result ? whole(result, topic) : el("p", { className: "quiet", textContent: `there is no ${topic} ${id}` }));
  } catch (error) { $("entity").replaceChildren(failure(error)); }
}
$("find").onsubmit = (submit) => { submit.preventDefault(); if ($("id").value) open($("collection").value, $("id").value.trim()); };

// ---- reports
const LOADERS = {
  async report(body) {
    const { result } = await get("/report");
    const cards = Object.entries(result).filter(([name]) => name !== "inventory").map(([name, list]) =>
      el("div", { className: "card" }, el("div", { className: "big", textContent: list.length }), name));
    const by_status = {};
    for (const order of result.orders) by_status[order.status] = (by_status[order.status] ?? 0) + 1;
    const stati = Object.entries(by_status).map(([name, count]) => el("span", { className: "stack" }, status(name), el("b", { textContent: count })));
    body.replaceChildren(el("div", { className: "grid" }, ...cards), ...(stati.length ? [el("h3", { textContent: "Orders by status" }), el("div", { className: "bar" }, ...stati)] : []));
  },
  async orders(body) {
    const { result } = await get("/report/orders");
    const cards = result.slice(-ORDERS_MAX).reverse().map((order) => {
      const paid = order.billings.reduce((all, billing) => all + billing.amount, 0);
      const details = el("details", {}, el("summary", { textContent: "all fields (money in cents)" }), el("pre", { textContent: JSON.stringify(order, null, 2) }));
      return el("div", { className: "card" }, el("div", { className: "bar" }, status(order.status), link("order", order.entity_id)),
        el("div", { textContent: `${order.customer?.name ?? "unknown customer"}: ${order.products.map((product) => product.name).join(", ") || "no products"}` }),
        el("p", { className: "quiet", textContent: `total ${money(order.total)} · ${order.billings.length ? `paid ${money(paid)}` : "not paid"} · ${order.shippings.length ? (order.shippings[0].delivered ? "delivered" : "on its way") : "not shipped"}` }), details);
    });
    body.replaceChildren(el("p", { className: "quiet", textContent: result.length ? `${result.length} orders${result.length > ORDERS_MAX ? `, the last ${ORDERS_MAX} are shown` : ""}` : "no orders yet" }), ...cards);
  },
  async letters(body, from) {
    const { result, cursor } = await get(`/dead-letters?${new URLSearchParams({ limit: PAGE, ...(from ? { cursor: from } : {}) })}`);
    const cards = result.map((letter) => el("div", { className: "card" },
      el("div", { className: "bar" }, el("time", { textContent: new Date(letter.at_ms).toLocaleString("sv"), dateTime: new Date(letter.at_ms).toISOString() }), el("code", { textContent: letter.id })),
      el("p", { className: "bad", textContent: letter.reason }),
      el("details", {}, el("summary", { textContent: "content" }), el("pre", { textContent: letter.content }))));
    const count = from ? `from number ${Number(from) + 1} on: ${result.length}` : `${result.length} shown`;
    const next = el("button", { type: "button", textContent: "Next page" });
    next.onclick = () => load("letters", cursor);
    body.replaceChildren(el("p", { className: "quiet", textContent: result.length ? `${count}${cursor ? ", more follow" : ""}; ordershop dead-letters resend ID has one handled again, drop ID deletes it` : "no dead letters: everything could be handled" }), ...cards, ...(cursor ? [next] : []));
  },
};
async function load(name, from) {
  const body = $(`${name}-body`);
  try { await LOADERS[name](body, from); } catch (error) { body.replaceChildren(failure(error)); }
}
for (const button of document.querySelectorAll("[data-load]")) button.onclick = () => load(button.dataset.load);

// ---- navigation
function show() {
  const name = ["browse", "report", "orders", "letters"].find((part) => location.hash === `#${part}`) ?? "live";
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.dataset.part !== name;
  for (const link of document.querySelectorAll("nav a")) link.classList.toggle("on", link.hash === `#${name}`);
  scrollTo(0, 0);
  if (name === "browse") page();
  if (name in LOADERS) load(name);
}
$("example").textContent = `curl -d '{"name":"Ada","email":"ada@example.org"}' ${location.origin}/customer`;
addEventListener("hashchange", show);
show();
connect();
fetch("/health").then((answer) => answer.json()).then((health) => {
  $("health").textContent = `OrderShop ${health.version} on ${health.redis.server} ${health.redis.version}, durability ${health.redis.durability}`;
}).catch(() => {});
