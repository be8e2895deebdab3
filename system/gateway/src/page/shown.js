// What all parts of the page share: nodes, figures and answers. Values are inserted as text, never as markup.
const ANSWER_BYTES_MAX = 64 << 20;
export const $ = (id) => document.getElementById(id);
export const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
export const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));
export const failure = (error) => el("p", { className: "bad", textContent: error.message });
const STATUS = { CREATED: "info", IN_STOCK: "info", CLEARED: "good", SHIPPED: "good", DELIVERED: "good", OUT_OF_STOCK: "bad", UNCLEARED: "warn" };
export const status = (value) => el("span", { className: `badge ${STATUS[value] ?? ""}`, textContent: text(value) });

// A stream position is a time and a sequence number; the page shows the time.
export const clock = (ms) => { const at = new Date(ms); return `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`; };
export const parts = (position) => (position ?? "0-0").split("-").map(Number);
export const reached = (position, goal) => { const [a, b] = [parts(position), parts(goal)]; return a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]); };

// The system counts money in whole cents, and its mails tell euros; an inventory's amount is pieces.
const is_money = (name, topic) => name === "price" || name === "total" || (name === "amount" && topic === "billing");
const euros = (cents) => `€ ${(cents / 100).toFixed(2)}`;
export const money = (cents) => `${cents} cents = ${euros(cents)}`;
// A field's name with its unit, and its value under such a name.
export const heading = (name, topic) => (is_money(name, topic) ? `${name} (cents)` : name === "amount" ? "amount (pieces)" : name);
export const figure = (name, value, topic) => (is_money(name, topic) && Number.isFinite(value) ? `${value} = ${euros(value)}` : text(value));
// A line of an order, with its product as given.
export const line = ({ quantity, price }) => [`${quantity} × `, ` at ${money(price)}`];
const IN_BRIEF = /^(status|total|price|amount|message|delivered)$/;
// The fields of an event but for its id, as nodes; a status comes first. In brief: without what its entity's other events tell, too.
export function fields(event, brief = false) {
  const all = el("span", { className: "fields" });
  for (const [name, value] of Object.entries(event.data ?? {})) {
    if (name === "entity_id" || (brief && (!IN_BRIEF.test(name) || (name === "total" && event.version > 1)))) continue;
    if (name === "status") { all.prepend(status(value), " "); continue; }
    const shown = is_money(name, event.topic) && Number.isFinite(value) ? money(value)
      : name === "lines" && Array.isArray(value) && event.topic === "order" ? value.map((each) => line(each).join(each.product_id)).join(", ")
      : name === "amount" ? `${text(value)} pieces` : text(value);
    all.append(el("i", { textContent: name }), ` ${shown.slice(0, 120)}  `);
  }
  all.title = all.textContent;
  return all;
}
export function act(event) {
  const kind = event.action.endsWith("deleted") ? "bad" : event.action.endsWith("created") ? "good" : "";
  return el("span", { className: kind, textContent: event.action.replace("entity_", "").replace("_", " ") });
}

export async function get(path) {
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
