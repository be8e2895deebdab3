// The page: shows the live feed and browses the state. Values are inserted as text, never as markup.
const TOPICS = { customer: "customers", product: "products", inventory: "inventories", cart: "carts", order: "orders", billing: "billings", shipping: "shippings", mail: "mails" };
const EVENTS_MAX = 200, SECONDS = 60, PAGE = 50, ORDERS_MAX = 100, RETRY_MS_MAX = 5000, ANSWER_BYTES_MAX = 64 << 20;
const $ = (id) => document.getElementById(id);
const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));
const STATUS = { CREATED: "info", IN_STOCK: "info", CLEARED: "good", SHIPPED: "good", DELIVERED: "good", OUT_OF_STOCK: "bad", UNCLEARED: "warn" };
const status = (value) => el("span", { className: `badge ${STATUS[value] ?? ""}`, textContent: text(value) });
// A stream position is a time and a sequence number; the page shows the time.
const clock = (ms) => { const at = new Date(ms); return `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`; };
const parts = (position) => (position ?? "0-0").split("-").map(Number);
const reached = (position, goal) => { const [a, b] = [parts(position), parts(goal)]; return a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]); };

function link(topic, id) {
  const button = el("button", { type: "button", className: "id", textContent: text(id), title: text(id) });
  button.onclick = () => open(topic, id);
  return button;
}
// A field's value as nodes; an id becomes a link to its entity.
function nodes(name, value, topic) {
  if (name === "status") return [status(value)];
  const [, named, many] = /^(.+)_id(s?)$/.exec(name) ?? [];
  const target = named === "entity" ? topic : named;
  if (!Object.hasOwn(TOPICS, target ?? "") || target === "mail") return [text(value)];
  if (!many) return [link(target, value)];
  return Array.isArray(value) ? value.map((id) => link(target, id)) : [text(value)];
}

// ---- live
const filter = new Set(Object.keys(TOPICS)), counts = {}, applied = {}, chips = {}, seen = {};
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
  const fields = el("span", { className: "fields" });
  for (const [name, value] of Object.entries(event.data ?? {})) {
    if (name === "entity_id") continue;
    if (name === "status") fields.prepend(status(value), " ");
    else fields.append(el("i", { textContent: name }), ` ${text(value).slice(0, 120)}  `);
  }
  fields.title = fields.textContent;
  // A stock event leads to its order; a mail can't be opened.
  const id = event.topic === "mail" ? el("span", { className: "id plain", textContent: event.aggregate_id, title: event.aggregate_id })
    : link(event.action.startsWith("stock_") ? "order" : event.topic, event.aggregate_id);
  const action = event.action.endsWith("deleted") ? "bad" : event.action.endsWith("created") ? "good" : "";
  const item = el("li", { hidden: !filter.has(event.topic) },
    el("time", { textContent: clock(published_ms), dateTime: new Date(published_ms).toISOString() }),
    el("span", { className: "topic", textContent: event.topic }),
    el("span", { className: action, textContent: event.action.replace("entity_", "").replace("_", " ") }), id, fields);
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
    if (!applied[topic]) continue;
    const [ms] = parts(applied[topic]), behind = !reached(applied[topic], seen[topic]);
    chip.at.textContent = ms ? `applied to ${clock(ms)}` : "nothing to apply";
    chip.at.title = `the read model has applied ${applied[topic]}, the feed has shown ${seen[topic] ?? "nothing"}`;
    chip.at.className = behind ? "warn" : "";
  }
  $("none").hidden = total > 0;
  const shown = list.children.length;
  $("shown").textContent = total ? `${total} events since the page was opened${total > shown ? `, ${shown} listed` : ""}${paused ? `, ${held.length} held back` : ""}${skipped ? "; some were skipped because they arrived faster than this page can show them" : ""}` : "";
}

function take(message) {
  if (message.type === "events") {
    for (const event of message.events) {
      counts[event.topic]++; total++; second++;
      seen[event.topic] = event.position;
      (paused ? held : waiting).push(event);
    }
    if (waiting.length > 2 * EVENTS_MAX) waiting = waiting.slice(-EVENTS_MAX);
    if (held.length > 2 * EVENTS_MAX) held = held.slice(-EVENTS_MAX);
  } else {
    if (message.type === "applied") Object.assign(applied, message.positions);
    else Object.assign(seen, message.positions);
  }
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
  const after = Object.entries(seen).map(([topic, position]) => `${topic}=${position}`).join(",");
  if (after) url.searchParams.set("after", after);
  const socket = new WebSocket(url);
  socket.onopen = () => { retry_ms = 250; connection("live", "good"); };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = (end) => {
    connection(end.reason || "reconnecting…", "bad");
    // A page that is too slow continues with new events; it would never catch up with the missed ones.
    if (end.reason.startsWith("too slow")) { skipped = true; for (const topic in seen) delete seen[topic]; }
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
async function get(path) {
  const answer = await fetch(path), reader = answer.body.getReader(), chunks = [];
  for (let bytes = 0; ;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    if ((bytes += value.length) > ANSWER_BYTES_MAX) {
      await reader.cancel();
      throw new Error(`${path} is longer than ${ANSWER_BYTES_MAX >> 20} MiB, too much for a page; fetch it with curl`);
    }
  }
  let body;
  try { body = JSON.parse(await new Blob(chunks).text()); } catch { throw new Error(`${path} answered ${answer.status} without JSON`); }
  if (!answer.ok) throw new Error(body.error ?? answer.statusText);
  return body;
}
const failure = (error) => el("p", { className: "bad", textContent: error.message });
const whole = (entity, topic) => el("dl", { className: "card" }, ...Object.entries(entity).flatMap(([name, value]) =>
  [el("dt", { textContent: name }), el("dd", {}, ...nodes(name, value, topic))]));

function fill(table, entities, topic) {
  const names = [...new Set(entities.flatMap((entity) => Object.keys(entity)))];
  table.replaceChildren(
    el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { textContent: name })))),
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
$("collection").onchange = () => { $("entity").replaceChildren(); page(); };
$("first").onclick = () => page();
$("next").onclick = () => page(cursor);

async function open(topic, id) {
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
      const sum = order.billings.reduce((all, billing) => all + billing.amount, 0);
      const details = el("details", {}, el("summary", { textContent: "all fields" }), el("pre", { textContent: JSON.stringify(order, null, 2) }));
      return el("div", { className: "card" }, el("div", { className: "bar" }, status(order.status), link("order", order.entity_id)),
        el("div", { textContent: `${order.customer?.name ?? "unknown customer"}: ${order.products.map((product) => product.name).join(", ") || "no products"}` }),
        el("p", { className: "quiet", textContent: `${order.billings.length ? `paid ${sum}` : "not paid"} · ${order.shippings.length ? (order.shippings[0].delivered ? "delivered" : "on its way") : "not shipped"}` }), details);
    });
    body.replaceChildren(el("p", { className: "quiet", textContent: result.length ? `${result.length} orders${result.length > ORDERS_MAX ? `, the last ${ORDERS_MAX} are shown` : ""}` : "no orders yet" }), ...cards);
  },
};
async function load(name) {
  const body = $(`${name}-body`);
  try { await LOADERS[name](body); } catch (error) { body.replaceChildren(failure(error)); }
}
for (const button of document.querySelectorAll("[data-load]")) button.onclick = () => load(button.dataset.load);

// ---- navigation
function show() {
  const name = ["browse", "report", "orders"].find((part) => location.hash === `#${part}`) ?? "live";
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
