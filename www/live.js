// The log book: fetches this page again and shows what the cache on the way says it did
// (Cache-Status, RFC 9211; Age, RFC 9111 §5.1), and how long each fetch took.

const KEPT = 30; // fetches that the plot shows
const FIRST = 8; // fetches when the page opens
const SLOTS_MIN = 12; // places of the plot, however few fetches there are
const HEIGHT = 220; // pixels
const LEFT = 46; // where the scale ends, pixels
const SVG = "http://www.w3.org/2000/svg";

const element = (id) => document.getElementById(id);
const log = [];

/** Parameters of the list member of the nearest cache, which is the last one. */
function nearest(field) {
  // Quoted strings may hold commas and semicolons, but none of ours does.
  const [cache, ...params] = field.split(",").pop().split(";").map((part) => part.trim());
  const said = { cache };
  for (const param of params) {
    const [name, value = "true"] = param.split("=");
    said[name] = value.replaceAll('"', "");
  }
  return said;
}

/**
 * The verdict in a word, in a sentence, and who gave the body: the cache alone ("hit"), the cache
 * after it asked ("confirmed"), or the web server ("fetched").
 */
function judge(status, field) {
  if (!field) {
    return ["NONE", "No cache is on the way: this page came straight from the web server. Open it through proxyd, usually on port 8080.", "fetched"];
  }
  const said = nearest(field);
  const origin = Number(said["fwd-status"] ?? status);
  if (said.hit) {
    return Number(said.ttl) < 0
      ? ["STALE", `${said.cache} answered from memory, though its copy is stale.`, "hit"]
      : ["HIT", `${said.cache} answered from memory; the web server was not asked.`, "hit"];
  }
  if (said.collapsed) return ["COLLAPSED", `${said.cache} was fetching it already, for someone else.`, "hit"];
  if (origin === 304) return ["REVALIDATED", `${said.cache} asked the web server, which confirmed the copy in memory.`, "confirmed"];
  if (said.fwd === "bypass" || said.fwd === "method" || (said.fwd === "request" && !said.stored)) {
    return ["PASS", `${said.cache} passed the request on and kept nothing.`, "fetched"];
  }
  const kept = said.stored ? ", and kept what it got" : "";
  return said.fwd
    ? ["MISS", `${said.cache} had to fetch it from the web server${kept}.`, "fetched"]
    : ["OWN", `${said.cache} answered by itself.`, "fetched"];
}

/** One fetch past the browser's own cache. */
async function sail(cacheControl) {
  const url = location.pathname;
  const began = performance.now();
  // A browser adds "no-cache" to requests of this mode unless they have the field already.
  const response = await fetch(url, { cache: "no-store", headers: { "Cache-Control": cacheControl } });
  const bytes = (await response.arrayBuffer()).byteLength;
  const took = performance.now() - began;
  const field = response.headers.get("Cache-Status");
  const [verdict, meaning, from] = judge(response.status, field);
  return { took, bytes, field, verdict, meaning, from, age: response.headers.get("Age"), status: response.status };
}

function make(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  return node;
}

function plot() {
  const svg = element("plot");
  const width = svg.clientWidth;
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  // From power of ten to power of ten: one slow fetch leaves the others apart.
  const times = log.map((entry) => Math.max(entry.took, 0.1));
  const low = Math.floor(Math.log10(Math.min(...times)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...times))), low + 1);
  const y = (ms) => HEIGHT - 10 - ((Math.log10(Math.max(ms, 0.1)) - low) / (high - low)) * (HEIGHT - 24);
  const gap = (width - LEFT - 20) / (Math.max(log.length, SLOTS_MIN) - 1);
  const x = (index) => width - 10 - (log.length - 1 - index) * gap;
  const parts = [];
  for (let power = low; power <= high; power += 1) {
    const ms = 10 ** power;
    parts.push(make("line", { class: "grid", x1: LEFT, x2: width, y1: y(ms), y2: y(ms) }));
    parts.push(make("text", { class: "scale", x: LEFT - 8, y: y(ms) + 4, "text-anchor": "end" }, `${Number(ms.toPrecision(1))}`));
  }
  const points = log.map((entry, index) => `${x(index)},${y(entry.took)}`);
  parts.push(make("polyline", { class: "track", points: points.join(" ") }));
  log.forEach((entry, index) => {
    const [cx, cy] = [x(index), y(entry.took)];
    const dot = entry.from === "fetched"
      ? make("path", { class: "dot fetched", d: `M${cx} ${cy - 6}l6 6l-6 6l-6 -6z` })
      : make("circle", { class: `dot ${entry.from}`, cx, cy, r: 4.5 });
    dot.append(make("title", {}, `${entry.verdict}, ${entry.took.toFixed(1)} ms`));
    parts.push(dot);
  });
  svg.replaceChildren(...parts);
  const count = (from) => log.filter((entry) => entry.from === from).length;
  svg.setAttribute("aria-label", `Milliseconds of the last ${log.length} fetches: ${count("hit")} answered from memory, ${count("confirmed")} confirmed, ${count("fetched")} fetched from the web server; the latest took ${log.at(-1).took.toFixed(1)}`);
}

function show(entry) {
  const verdict = element("verdict");
  verdict.textContent = entry.verdict;
  verdict.classList.toggle("is-hit", entry.from !== "fetched");
  verdict.classList.toggle("is-miss", entry.from === "fetched" && entry.verdict !== "NONE");
  verdict.classList.toggle("long", entry.verdict.length > 8);
  element("meaning").textContent = entry.meaning;
  element("took").textContent = `${entry.took.toFixed(1)} ms`;
  element("age").textContent = entry.age === null ? "–" : `${entry.age} s`;
  element("size").textContent = `${entry.bytes.toLocaleString("en")} bytes, status ${entry.status}`;
  element("field").textContent = entry.field ?? "(none)";
  plot();
}

async function run(cacheControl, times) {
  const buttons = document.querySelectorAll(".actions button");
  buttons.forEach((button) => { button.disabled = true; });
  try {
    for (let count = 0; count < times; count += 1) {
      log.push(await sail(cacheControl));
      log.splice(0, log.length - KEPT);
      show(log.at(-1));
    }
  } catch {
    element("verdict").textContent = "…";
    element("meaning").textContent = "Nothing answered. Is the proxy still up?";
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

// What asks for no more than the cache gives anyway, and what asks past it.
const ANY = "max-age=31536000";
const FRESH = "no-cache";

element("again").addEventListener("click", () => run(ANY, 1));
element("bypass").addEventListener("click", () => run(FRESH, 1));
window.addEventListener("resize", () => log.length && plot());
element("log").hidden = false;
run(ANY, FIRST);
