"use strict";
// What all parts of the page share: its data, its state, elements, numbers. Boards are in the document; clips and parts
// of a board are scripts in data/ that call gmbench.add. Text from outside enters as text, never as markup.
const pageData = JSON.parse(document.getElementById("page-data").textContent);
const $ = (id) => document.getElementById(id);
const DEFAULTS = { dataset: "", sort: "", up: false, find: "", controls: true, columns: "usual", by: "", metric: "", method: "", order: "", rising: false, clip: "", beside: "", landmarks: false, differences: false, zoom: "1", speed: "1" };
const state = { ...DEFAULTS, page: 0 };

const board = () => pageData.boards[Math.max(0, pageData.boards.findIndex((one) => boardName(one) === state.dataset))];
const boardName = (one) => pageData.boards.filter((other) => other.dataset === one.dataset).length > 1 ? `${one.dataset}@${one.hash}` : one.dataset;
const metric = (key) => pageData.metrics[key];
const cellOf = (method, key) => (board().cells[method] || {})[key];

const files = new Map(), waiting = new Map();
window.gmbench = { add(name, content) { files.set(name, content); waiting.get(name)?.done(content); waiting.delete(name); } };
function load(name) {
  if (files.has(name)) return Promise.resolve(files.get(name));
  if (!waiting.has(name)) {
    const asked = {};
    asked.answer = new Promise((done, failed) => Object.assign(asked, { done, failed }));
    waiting.set(name, asked);
    const onerror = () => { waiting.delete(name); asked.failed(new Error(`data/${name}.js is missing: keep the folder of the page whole.`)); };
    document.body.append(make("script", { src: `data/${name}.js`, onerror }));
  }
  return waiting.get(name).answer;
}
const loadClips = (method) => load(`${pageData.boards.indexOf(board())}-${board().methods.indexOf(method)}`);
const loadParts = () => load(`${pageData.boards.indexOf(board())}-parts`);

function make(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}
function svg(tag, given = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), given, children);
}
function filled(element, given, children) {
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}
const button = (content, onclick, given = {}) => make("button", { type: "button", onclick, ...given }, content);
// Names break after an underscore, titles of metrics between words, but not before their arrow.
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, n) => n ? [make("wbr"), part] : [part]);
const unbroken = (title) => title.split(/ (?=→)|(?<!→|-) (?![↑↓→])/).flatMap((word, n) => [n ? " " : "", make("span", { class: "word" }, word)]);
const option = (value, text, chosen) => make("option", { value, selected: value === chosen }, text);
const wide = (table, label) => make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": label }, table);
const grid = (head, rows, words = []) => make("table", {}, make("thead", {}, make("tr", {}, ...head.map((text, n) => make("th", { scope: "col", class: words.includes(n) ? "text" : null }, text)))),
  make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text, n) => make("td", { class: words.includes(n) ? "text" : null }, text))))));

const plain = (value) => value === "inf" ? Infinity : value === "-inf" ? -Infinity : value === null || value === undefined ? NaN : value;
function formatNumber(value) {
  const v = plain(value);
  if (Number.isNaN(v)) return "n/a";
  if (!Number.isFinite(v)) return v > 0 ? "∞" : "-∞";
  return v === 0 ? "0" : v.toFixed(Math.max(0, Math.min(3, 3 - Math.floor(Math.log10(Math.abs(v))))));
}

// Order of values: what is no number comes last whichever way the column is sorted.
function compare(a, b, up) {
  if (typeof a === "string" && typeof b === "string" && !["inf", "-inf"].includes(a)) return up ? a.localeCompare(b) : b.localeCompare(a);
  const x = plain(a), y = plain(b);
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
  return x === y ? 0 : (x < y) === up ? -1 : 1;
}
// Under a metric whose best value is the real clip's, or 0, methods are ordered by their clips' distance to it.
const hasTarget = (key) => metric(key) && ["reference", "zero"].includes(metric(key).direction);
const bestIsUp = (key) => Boolean(metric(key)) && (metric(key).direction === "lower" || hasTarget(key));
const sortValue = (method, key) => { const cell = cellOf(method, key); return !cell ? null : hasTarget(key) ? cell.order : cell.v; };

// Methods that are shown, in bands: those that are ranked, those that take from the reference, controls.
const BANDS = [["", "Methods"], ["takes", "Bounds: take something from the real clip, not ranked"], ["control", "Controls: made from the real clip"]];
function shownBands() {
  const wanted = state.find.toLowerCase(), one = board();
  let methods = one.methods.filter((name) => name.toLowerCase().includes(wanted) && (state.controls || one.bands[name] !== "control"));
  if (state.sort === "name") methods = [...methods].sort((a, b) => compare(a, b, state.up));
  else if (state.sort && one.metrics.includes(state.sort)) methods = [...methods].sort((a, b) => compare(sortValue(a, state.sort), sortValue(b, state.sort), state.up));
  return BANDS.map(([band, title]) => [title, methods.filter((name) => (one.bands[name] || "") === band)]).filter(([, names]) => names.length);
}
const shownMethods = () => shownBands().flatMap(([, names]) => names);

// How good a number is among the methods' under its metric, 0 to 1; controls set no scale. NaN where nothing is best.
function goodness(key) {
  const one = board(), places = new Map();
  for (const name of one.methods) {
    const cell = cellOf(name, key), order = cell ? plain(cell.order) : NaN;
    if (Number.isFinite(order) && one.bands[name] !== "control") places.set(name, order);
  }
  const low = Math.min(...places.values()), high = Math.max(...places.values());
  return (name) => places.has(name) && high > low ? (high - places.get(name)) / (high - low) : NaN;
}
const heat = (share) => Number.isNaN(share) ? null : `--heat: ${Math.round(45 * Math.min(1, Math.max(0, share)))}%`;
const titleOf = (key) => board().titles[key];
