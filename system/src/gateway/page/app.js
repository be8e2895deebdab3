// The page: shows the live feed and lets one browse the state. Values become text, never markup.
const TOPICS = { customer: "customers", product: "products", inventory: "inventories", cart: "carts", order: "orders", billing: "billings", shipping: "shippings", mail: "mails" };
const EVENTS_MAX = 200, SECONDS = 60, PAGE = 50, ORDERS_MAX = 100, RETRY_MS_MAX = 5000;
const $ = (id) => document.getElementById(id);
const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));
const STATUS = { CREATED: "info", IN_STOCK: "info", CLEARED: "good", SHIPPED: "good", DELIVERED: "good", OUT_OF_STOCK: "bad", UNCLEARED: "warn" };
const status = (value) => el("span", { className: `badge ${STATUS[value] ?? ""}`, textContent: text(value) });
const cell = (name, value) => (name === "status" ? status(value) : text(value));

// ---- live
const filter = new Set(Object.keys(TOPICS)), counts = {}, applied = {}, chips = {}, seen = {};
let waiting = [], held = [], paused = false, total = 0, second = 0, scheduled = false, retry_ms = 250;
const rates = new Array(SECONDS).fill(0);

for (const topic of Object.keys(TOPICS)) {
  counts[topic] = 0;
  const count = el("b", { textContent: "0" }), at = el("small", { textContent: "applied –", title: "how far the read model has come" });
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
  const time = new Date(event.published_at_us / 1000);
  const fields = el("span", { className: "fields" });
  for (const [name, value] of Object.entries(event.data ?? {})) {
    if (name === "entity_id") continue;
    fields.append(name === "status" ? status(value) : `${name} ${text(value).slice(0, 120)}`, "  ");
  }
  fields.title = fields.textContent;
  const id = el("button", { type: "button", className: "id", textContent: event.aggregate_id, title: event.aggregate_id });
  id.onclick = () => open(event.topic, event.aggregate_id);
  const action = event.action.endsWith("deleted") ? "bad" : event.action.endsWith("created") ? "good" : "";
  const item = el("li", { hidden: !filter.has(event.topic) },
    el("time", { textContent: time.toTimeString().slice(0, 8) + "." + String(time.getMilliseconds()).padStart(3, "0"), dateTime: time.toISOString() }),
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
    if (applied[topic]) chip.at.textContent = `applied ${applied[topic]}`;
  }
  $("none").hidden = total > 0;
  $("shown").textContent = total ? `${total} events since the page was opened, the last ${EVENTS_MAX} are shown${paused ? `, ${held.length} held back` : ""}` : "";
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
  // After a break it goes on where it was.
  const after = Object.entries(seen).map(([topic, position]) => `${topic}=${position}`).join(",");
  if (after) url.searchParams.set("after", after);
  const socket = new WebSocket(url);
  socket.onopen = () => { retry_ms = 250; connection("live", "good"); };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = (end) => {
    connection(end.reason || "reconnecting…", "bad");
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
  $("pause").textContent = paused ? "Go on" : "Pause";
  $("pause").setAttribute("aria-pressed", paused);
  if (!paused) { waiting.push(...held); held = []; }
  schedule();
};
$("clear").onclick = () => { waiting = []; held = []; $("events").replaceChildren(); };

// ---- state
async function get(path) {
  const answer = await fetch(path);
  const body = await answer.json().catch(() => ({ error: `${answer.status}: no JSON` }));
  if (!answer.ok) throw new Error(body.error ?? answer.statusText);
  return body;
}
const failure = (error) => el("p", { className: "bad", textContent: error.message });
const whole = (entity) => el("div", { className: "card" }, el("pre", { textContent: JSON.stringify(entity, null, 2) }));

function fill(table, entities, topic) {
  const names = [...new Set(entities.flatMap((entity) => Object.keys(entity)))];
  table.replaceChildren(
    el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { textContent: name })))),
    el("tbody", {}, ...entities.map((entity) => el("tr", {}, ...names.map((name) => {
      const value = entity[name] ?? "";
      const target = name === "entity_id" ? topic : name.endsWith("_id") ? name.slice(0, -3) : null;
      if (!(target in TOPICS)) return el("td", {}, cell(name, value));
      const link = el("button", { type: "button", className: "id", textContent: text(value) });
      link.onclick = () => open(target, value);
      return el("td", {}, link);
    })))));
}

for (const [topic, plural] of Object.entries(TOPICS)) $("collection").append(el("option", { value: topic, textContent: plural }));
$("collection").value = "order";
let cursor = null;

async function page(from) {
  const topic = $("collection").value;
  const path = topic === "mail" ? "/mails/sent" : `/${TOPICS[topic]}`;
  const query = new URLSearchParams({ limit: PAGE, ...(from ? { cursor: from } : {}) });
  try {
    const body = await get(`${path}?${query}`);
    fill($("table"), body.result, topic);
    cursor = body.cursor ?? null;
    $("page").textContent = body.result.length ? `${body.result.length} here${cursor ? ", more follow" : ""}` : "nothing here";
  } catch (error) {
    $("table").replaceChildren();
    $("page").textContent = error.message;
  }
  $("next").disabled = !cursor;
}
$("collection").onchange = () => { $("entity").replaceChildren(); page(); };
$("first").onclick = () => page();
$("next").onclick = () => page(cursor);

async function open(topic, id) {
  if (topic === "mail") return;
  $("collection").value = topic;
  $("id").value = id;
  location.hash = "browse";
  try {
    const { result } = await get(`/${topic}/${encodeURIComponent(id)}`);
    $("entity").replaceChildren(result ? whole(result) : el("p", { className: "quiet", textContent: `there is no ${topic} ${id}` }));
  } catch (error) { $("entity").replaceChildren(failure(error)); }
}
$("find").onsubmit = (submit) => { submit.preventDefault(); open($("collection").value, $("id").value); };

// ---- reports
const LOADERS = {
  async report(body) {
    const { result } = await get("/report");
    const cards = Object.entries(result).filter(([name]) => name !== "inventory").map(([name, list]) =>
      el("div", { className: "card" }, el("div", { className: "big", textContent: list.length }), name));
    const by_status = {};
    for (const order of result.orders) by_status[order.status] = (by_status[order.status] ?? 0) + 1;
    const stati = Object.entries(by_status).map(([name, count]) => el("p", {}, status(name), ` ${count}`));
    body.replaceChildren(el("div", { className: "grid" }, ...cards), ...(stati.length ? [el("h3", { textContent: "Orders by status" }), ...stati] : []));
  },
  async orders(body) {
    const { result } = await get("/report/orders");
    const cards = result.slice(-ORDERS_MAX).reverse().map((order) => {
      const sum = order.billings.reduce((all, billing) => all + billing.amount, 0);
      const details = el("details", {}, el("summary", { textContent: "everything" }), el("pre", { textContent: JSON.stringify(order, null, 2) }));
      return el("div", { className: "card" }, el("div", { className: "bar" }, status(order.status), el("code", { textContent: order.entity_id })),
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

// ---- which part is shown
function show() {
  const name = ["browse", "report", "orders"].find((part) => location.hash === `#${part}`) ?? "live";
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const link of document.querySelectorAll("nav a")) link.classList.toggle("on", link.hash === `#${name}`);
  scrollTo(0, 0);
  if (name === "browse") page();
  if (name in LOADERS) load(name);
}
addEventListener("hashchange", show);
show();
connect();
fetch("/health").then((answer) => answer.json()).then((health) => {
  $("health").textContent = `OrderShop ${health.version} on ${health.redis.server} ${health.redis.version}, durability ${health.redis.durability}`;
}).catch(() => {});
