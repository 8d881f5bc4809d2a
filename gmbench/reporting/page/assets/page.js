"use strict";
// The page: leaderboards are in the document, each method's clips in data/<board>-<method>.js, which call gmbench.addClips.
// Text from outside enters the document as text, never as markup.
const pageData = JSON.parse(document.getElementById("page-data").textContent);
const $ = (id) => document.getElementById(id);
const PAGE = 50;
const state = { board: 0, sort: null, up: false, chosen: null, clipSort: null, clipUp: false, page: 0, method: null };

const clipsByName = new Map();
const waiting = new Map();
window.gmbench = {
  addClips(name, clips) { clipsByName.set(name, clips); (waiting.get(name) || []).forEach((done) => done(clips)); waiting.delete(name); },
};

function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

function loadClips(board, method) {
  const name = `${board}-${pageData.boards[board].methods.indexOf(method)}`;
  if (clipsByName.has(name)) return Promise.resolve(clipsByName.get(name));
  return new Promise((done, failed) => {
    waiting.set(name, [...(waiting.get(name) || []), done]);
    if (waiting.get(name).length > 1) return;
    document.body.append(make("script", { src: `data/${name}.js`, onerror: () => { waiting.delete(name); failed(new Error(`data/${name}.js is missing`)); } }));
  });
}

const plain = (value) => value === "inf" ? Infinity : value === "-inf" ? -Infinity : value === null || value === undefined ? NaN : value;
const metric = (key) => pageData.metrics[key];
const formatNumber = (value) => {
  const v = plain(value);
  if (Number.isNaN(v)) return "n/a";
  if (!Number.isFinite(v)) return v > 0 ? "∞" : "-∞";
  return v === 0 ? "0" : v.toFixed(Math.max(0, Math.min(3, 3 - Math.floor(Math.log10(Math.abs(v))))));
};

// Order of values: what is no number comes last whichever way the column is sorted.
function compare(a, b, up) {
  if (typeof a === "string" && typeof b === "string" && !["inf", "-inf"].includes(a)) return up ? a.localeCompare(b) : b.localeCompare(a);
  const x = plain(a), y = plain(b);
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
  return x === y ? 0 : (x < y) === up ? -1 : 1;
}
// Under a metric whose best value is the real clip's, or 0, methods are ordered by their clips' distance to it.
const hasTarget = (key) => metric(key) && ["reference", "zero"].includes(metric(key).direction);
const bestIsUp = (key) => metric(key) && (metric(key).direction === "lower" || hasTarget(key));

/* Leaderboard */

function chosenMetrics(board) {
  if (state.chosen) return board.metrics.filter((key) => state.chosen.has(key));
  const usual = board.metrics.filter((key) => metric(key).default);
  return $("all-metrics").checked || !usual.length ? board.metrics : usual;
}

function interval(cell, low, high) {
  const [lo, hi, v] = [cell.lo, cell.hi, cell.v].map(plain);
  if (![lo, hi, v].every(Number.isFinite) || high <= low) return null;
  const at = (x) => 4 + 66 * (x - low) / (high - low);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", 74); svg.setAttribute("height", 8); svg.setAttribute("aria-hidden", "true");
  for (const [name, set] of [["line", { class: "bar", x1: at(lo), x2: at(hi), y1: 4, y2: 4 }], ["circle", { class: "dot", cx: at(v), cy: 4, r: 3 }]]) {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(set)) shape.setAttribute(key, value);
    svg.append(shape);
  }
  return svg;
}

function provenance(board, key, method, cell) {
  const m = metric(key);
  const lines = [`${m.title} (${key}), version ${cell.version}: ${cell.t}${cell.i ? ` [${cell.i}]` : ""}${m.unit ? ` ${m.unit}` : ""}`,
    `${method} on ${board.dataset}, protocol ${board.protocol} (${board.hash})`,
    `${cell.n} of ${cell.of} clips, ${cell.frames} of ${cell.frames_of} frames; over all frames ${cell.pooled}`,
    `extractor: ${cell.backend}${cell.weights ? `, weights ${cell.weights}` : ""}`];
  if (cell.flags) lines.push(`flags: ${cell.flags}`);
  if (m.interpretation) lines.push("", m.interpretation);
  if (m.caveats && m.caveats !== "None known.") lines.push(`But: ${m.caveats}`);
  return lines.join("\n");
}

function drawBoard() {
  const board = pageData.boards[state.board], keys = chosenMetrics(board);
  const wanted = $("find-method").value.toLowerCase();
  let methods = board.methods.filter((name) => name.toLowerCase().includes(wanted) && ($("controls").checked || !pageData.methods[name].control));
  if (state.sort === "") methods = [...methods].sort((a, b) => compare(a, b, state.up));
  else if (state.sort) methods = [...methods].sort((a, b) => compare(value(a), value(b), state.up));
  function value(name) { const cell = (board.cells[name] || {})[state.sort]; return !cell ? null : hasTarget(state.sort) ? cell.order : cell.v; }
  const sorted = (key) => state.sort === key ? (state.up ? "ascending" : "descending") : null;
  const head = make("tr", {}, make("th", { scope: "col", "aria-sort": sorted("") }, make("button", { type: "button", onclick: () => sortBy("", true) }, "Method")),
    ...keys.map((key) => make("th", { scope: "col", "aria-sort": sorted(key), "data-key": key, "data-tip": interpretation(key) },
      make("button", { type: "button", onclick: () => sortBy(key, bestIsUp(key)) }, board.titles[key]))));
  const ranges = Object.fromEntries(keys.map((key) => {
    const all = methods.flatMap((name) => { const cell = (board.cells[name] || {})[key]; return cell ? [cell.lo, cell.hi, cell.v].map(plain) : []; }).filter(Number.isFinite);
    return [key, [Math.min(...all), Math.max(...all)]];
  }));
  const rows = methods.map((name) => {
    const description = pageData.methods[name];
    const first = make("td", { tabindex: -1 }, make("button", { type: "button", tabindex: -1, onclick: () => openMethod(name) }, name));
    if (description.description) first.append(make("small", {}, description.description));
    if (board.takes[name]) first.append(make("small", {}, `not ranked: takes ${board.takes[name]} from the reference`));
    return make("tr", { class: description.control || board.takes[name] ? "control" : null }, first, ...keys.map((key) => {
      const cell = (board.cells[name] || {})[key];
      if (!cell) return make("td", { tabindex: -1, "data-tip": "not evaluated" }, "–");
      const missing = board.sets[name].filter((row) => row[0] === key).map((row) => `\n${row[1]}: ${row[2]}`).join("");
      return make("td", { tabindex: -1, "data-tip": provenance(board, key, name, cell) + missing }, cell.best ? make("strong", {}, cell.t) : cell.t,
        interval(cell, ...ranges[key]), cell.i ? make("small", {}, `[${cell.i}]`) : null, cell.n === cell.of ? null : make("small", { class: "warn" }, `${cell.n}/${cell.of}`));
    }));
  });
  $("table").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  const cell = $("table").querySelector("td");
  if (cell) cell.tabIndex = 0;
  $("why").replaceChildren(...board.why.map((note) => make("p", { class: "small" }, note)));
  drawRanks(board);
}

function interpretation(key) {
  const m = metric(key);
  return [m.title + (m.fallback ? `: fallback, scored by ${m.fallback}; never compare with published figures` : ""), m.interpretation, m.caveats && m.caveats !== "None known." ? `But: ${m.caveats}` : "", m.source ? `Source: ${m.source}` : ""].filter(Boolean).join("\n");
}

function sortBy(key, up) {
  state.up = state.sort === key ? !state.up : up;
  state.sort = key;
  drawBoard();
  const place = [...$("table").querySelectorAll("th")].find((th) => th.hasAttribute("aria-sort"));
  if (place) place.querySelector("button").focus();
}

function drawMetricList() {
  const board = pageData.boards[state.board], keys = new Set(chosenMetrics(board));
  $("metric-list").lastElementChild.replaceChildren(...board.metrics.map((key) => make("label", { class: "tick" },
    make("input", { type: "checkbox", checked: keys.has(key), onchange: (event) => {
      state.chosen = state.chosen || new Set(chosenMetrics(board));
      state.chosen[event.target.checked ? "add" : "delete"](key);
      drawBoard();
    } }), ` ${board.titles[key]}`)));
}

function drawRanks(board) {
  const rows = board.ranks.map((row) => make("tr", {}, ...row.map((value) => make("td", {}, String(value)))));
  const head = ["Method", "Mean rank ↓", "Metrics", "First", "First, supported"].map((text) => make("th", {}, text));
  $("ranks").lastElementChild.replaceChildren(make("div", { class: "wide" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))),
    make("p", { class: "small" }, "Ranks weigh all metrics with a best value alike and say nothing of how far methods are apart. Supported: bold in the leaderboard."));
}

/* A method's clips */

async function openMethod(name) {
  const place = $("method"), board = state.board;
  state.method = name; state.page = 0; state.clipSort = null; state.failing = false;
  place.hidden = false;
  place.replaceChildren(make("h2", {}, name), make("p", {}, "reading…"));
  try { await loadClips(board, name); } catch (error) {
    place.replaceChildren(make("h2", {}, name), make("p", { class: "warn" }, `${error.message}: keep the folder of the page whole.`));
    return;
  }
  drawMethod();
  place.scrollIntoView({ behavior: "instant", block: "start" });
  location.hash = "method";
}

function drawMethod() {
  const place = $("method"), board = pageData.boards[state.board], name = state.method, clips = clipsByName.get(`${state.board}-${board.methods.indexOf(name)}`);
  const description = pageData.methods[name], keys = board.metrics.filter((key) => clips.values[key]);
  const card = description.card ? Object.entries(description.card).filter(([, v]) => v).map(([k, v]) => `${k}: ${v}`).join(" · ") : description.description;
  const pick = make("select", { onchange: (event) => { state.clipSort = event.target.value; state.clipUp = bestIsUp(state.clipSort); state.page = 0; drawClips(); } },
    make("option", { value: "" }, "name"), ...keys.map((key) => make("option", { value: key }, board.titles[key])));
  const order = (best) => () => { state.clipSort = state.clipSort || keys.find((key) => ["higher", "lower"].includes(metric(key).direction)) || keys[0] || ""; pick.value = state.clipSort; state.clipUp = bestIsUp(state.clipSort) === best; state.page = 0; drawClips(); };
  place.replaceChildren(make("h2", {}, name), make("p", { class: "small" }, card || "no card: add one in dropin/<slug>/card.yaml"),
    failures(clips), make("div", { id: "player" }),
    make("div", { class: "transport" }, make("label", {}, "Order of clips ", pick), make("button", { type: "button", id: "worst", onclick: order(false) }, "Worst first"),
      make("button", { type: "button", id: "best", onclick: order(true) }, "Best first"), make("button", { type: "button", onclick: () => { place.hidden = true; closePlayer(); $("table").focus(); } }, "Close")),
    make("div", { id: "clips" }));
  drawClips();
}

function failures(clips) {
  if (!clips.failures.length) return make("p", { class: "small" }, "Every clip has a value under every metric that applies.");
  const groups = new Map();
  for (const [clip, key, status, reason] of clips.failures) {
    const group = groups.get(reason) || groups.set(reason, { status, metrics: new Set(), clips: new Set() }).get(reason);
    group.metrics.add(key); group.clips.add(clip);
  }
  const rows = [...groups].map(([reason, group]) => make("tr", {}, make("td", {}, group.status), make("td", { style: "white-space:normal" }, clips.reasons[reason] || "–"),
    make("td", { style: "white-space:normal" }, [...group.metrics].join(", ")), make("td", {}, String(group.clips.size)),
    make("td", { style: "white-space:normal" }, [...group.clips].slice(0, 8).map((n) => clips.clips[n]).join(", ") + (group.clips.size > 8 ? ", …" : ""))));
  return make("details", { open: rows.length < 4 }, make("summary", { class: "warn" }, `${clips.failures.length} values are missing or carry a reason`), make("div", { class: "wide" },
    make("table", {}, make("thead", {}, make("tr", {}, ...["status", "reason", "metrics", "clips", "which"].map((text) => make("th", {}, text)))), make("tbody", {}, ...rows))));
}

function drawClips() {
  const board = pageData.boards[state.board], clips = clipsByName.get(`${state.board}-${board.methods.indexOf(state.method)}`);
  const keys = chosenMetrics(board).filter((key) => clips.values[key]);
  if (state.clipSort && !keys.includes(state.clipSort) && clips.values[state.clipSort]) keys.unshift(state.clipSort);
  const order = clips.clips.map((_, n) => n);
  if (state.clipSort) order.sort((a, b) => compare(clips.values[state.clipSort][a], clips.values[state.clipSort][b], state.clipUp) || a - b);
  const pages = Math.max(1, Math.ceil(order.length / PAGE));
  state.page = Math.min(Math.max(0, state.page), pages - 1);
  const rows = order.slice(state.page * PAGE, (state.page + 1) * PAGE).map((n) => make("tr", {},
    make("td", {}, make("button", { type: "button", onclick: () => openClip(n) }, clips.clips[n]), make("small", {}, [clips.speaker[n], clips.emotion[n]].filter(Boolean).join(" · "))),
    ...keys.map((key) => make("td", {}, formatNumber(clips.values[key][n])))));
  const turn = (step) => () => { state.page += step; drawClips(); };
  const head = [make("th", {}, "Clip"), ...keys.map((key) => make("th", { "aria-sort": state.clipSort === key ? (state.clipUp ? "ascending" : "descending") : null },
    make("button", { type: "button", onclick: () => { state.clipUp = state.clipSort === key ? !state.clipUp : bestIsUp(key); state.clipSort = key; state.page = 0; drawClips(); } }, board.titles[key])))];
  $("clips").replaceChildren(make("div", { class: "wide" }, make("table", { class: "clips" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))),
    make("div", { class: "transport" }, make("button", { type: "button", disabled: state.page === 0, onclick: turn(-1) }, "Previous"), `${order.length} clips, page ${state.page + 1} of ${pages}`,
      make("button", { type: "button", disabled: state.page === pages - 1, onclick: turn(1) }, "Next")));
}

/* Players in step: the first one leads, the others follow its clock */

let player = null;

function closePlayer() {
  if (!player) return;
  cancelAnimationFrame(player.frame);
  player.videos.forEach((video) => { video.pause(); video.removeAttribute("src"); video.load(); });
  player = null;
}

async function openClip(n) {
  closePlayer();
  const board = pageData.boards[state.board], clips = clipsByName.get(`${state.board}-${board.methods.indexOf(state.method)}`), clip = clips.clips[n];
  const sides = [["reference", clips.reference[n]], [state.method, clips.video[n]]];
  const others = board.methods.filter((name) => name !== state.method && name !== "ground_truth");
  const place = $("player"), grid = make("div", { class: "players" });
  const videos = [], sound = make("select", {}), seek = make("input", { type: "range", min: 0, max: 1, step: 0.001, value: 0, "aria-label": "time" });
  const time = make("span", {}, "0.00 s"), button = make("button", { type: "button", id: "play" }, "Play"), speed = make("select", { "aria-label": "speed" }, ...[1, 0.5, 0.25].map((v) => make("option", { value: v }, `${v} x`)));
  const loop = make("input", { type: "checkbox", checked: true });
  player = { videos, frame: 0, playing: false };
  const current = player, lead = () => videos[0], length = () => Math.max(...videos.map((video) => video.duration || 0), 0.001);

  function add(name, url, why) {
    const figure = make("figure", {}, make("figcaption", {}, name));
    if (!url) figure.prepend(make("div", { class: "none" }, why || "no file that a browser can play"));
    else {
      const video = make("video", { src: url, playsinline: true, preload: "auto", "data-name": name });
      video.muted = videos.length > 0;
      video.addEventListener("error", () => {
        videos.splice(videos.indexOf(video), 1);
        video.replaceWith(make("div", { class: "none" }, "this browser cannot play the file; open it in another player"));
      });
      videos.push(video);
      sound.append(make("option", { value: name }, name));
      figure.prepend(video);
    }
    grid.append(figure);
  }
  sides.forEach(([name, url], place) => add(name, url, place && clips.change[n] ? `made from the reference: ${clips.change[n]}` : ""));

  function follow() {
    if (current !== player) return;
    if (current.playing && lead()) {
      const now = lead().currentTime;
      for (const video of videos.slice(1)) {
        const ahead = video.currentTime - now;
        if (video.ended || now > video.duration) continue;
        if (Math.abs(ahead) > 0.1) video.currentTime = now;
        else video.playbackRate = Number(speed.value) * (Math.abs(ahead) > 0.015 ? 1 - Math.sign(ahead) * 0.08 : 1);
      }
      if (lead().ended) { if (loop.checked) restart(); else pause(); }
    }
    if (lead()) { seek.value = lead().currentTime / length(); time.textContent = `${lead().currentTime.toFixed(2)} s`; }
    current.frame = requestAnimationFrame(follow);
  }
  async function start() {
    current.playing = true; button.textContent = "Pause";
    videos.forEach((video) => { video.playbackRate = Number(speed.value); });
    await Promise.allSettled(videos.map((video) => video.play()));
  }
  function pause() { current.playing = false; button.textContent = "Play"; videos.forEach((video) => video.pause()); }
  function restart() { videos.forEach((video) => { video.currentTime = 0; }); start(); }
  button.addEventListener("click", () => { if (current.playing) pause(); else if (lead() && lead().ended) restart(); else start(); });
  seek.addEventListener("input", () => { const at = seek.value * length(); videos.forEach((video) => { video.currentTime = at; }); });
  sound.addEventListener("change", () => videos.forEach((video) => { video.muted = video.dataset.name !== sound.value; }));
  speed.addEventListener("change", () => videos.forEach((video) => { video.playbackRate = Number(speed.value); }));

  const more = make("select", { onchange: async (event) => {
    const name = event.target.value;
    event.target.value = "";
    if (!name) return;
    const beside = await loadClips(state.board, name), at = beside.clips.indexOf(clip), before = videos.length;
    add(name, at < 0 ? "" : beside.video[at], at < 0 ? "has no such clip" : beside.change[at] ? `made from the reference: ${beside.change[at]}` : "");
    [...more.options].find((option) => option.value === name).remove();
    if (videos.length > before) { videos.at(-1).currentTime = lead().currentTime; if (current.playing) videos.at(-1).play(); }
  } }, make("option", { value: "" }, "add a method…"), ...others.map((name) => make("option", { value: name }, name)));
  const values = Object.entries(clips.values).map(([key, column]) => [key, column[n]]).filter(([, v]) => !Number.isNaN(plain(v)));
  const lacking = clips.failures.filter(([which]) => which === n).map(([, key, status, reason]) => `${key}: ${status}, ${clips.reasons[reason]}`);
  place.replaceChildren(make("h3", {}, clip), grid, make("div", { class: "transport" }, button, seek, time, speed, make("label", {}, "sound of ", sound), make("label", { class: "tick" }, loop, " loop"), more),
    make("p", { class: "small" }, values.map(([key, v]) => `${board.titles[key]} ${formatNumber(v)}`).join(" · ")), ...lacking.map((line) => make("p", { class: "small warn" }, line)));
  follow();
  place.scrollIntoView({ behavior: "instant", block: "nearest" });
  button.focus({ preventScroll: true });
}

/* Tips and keys */

function showTip(target) {
  const tip = $("tip"), text = target && target.closest("[data-tip]");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text.dataset.tip;
  const box = text.getBoundingClientRect(), size = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, Math.min(box.left, innerWidth - size.width - 6))}px`;
  tip.style.top = `${box.bottom + size.height + 6 < innerHeight ? box.bottom + 4 : Math.max(6, box.top - size.height - 4)}px`;
}
for (const [name, get] of [["mouseover", (e) => e.target], ["focusin", (e) => e.target], ["mouseout", () => null], ["focusout", () => null]])
  document.addEventListener(name, (event) => showTip(get(event)));

$("table").addEventListener("keydown", (event) => {
  const cell = event.target.closest("td");
  if (!cell) return;
  const row = cell.parentElement, at = [...row.children].indexOf(cell);
  const to = { ArrowRight: row.children[at + 1], ArrowLeft: row.children[at - 1], ArrowDown: row.nextElementSibling && row.nextElementSibling.children[at],
    ArrowUp: row.previousElementSibling && row.previousElementSibling.children[at], Home: row.children[0], End: row.lastElementChild }[event.key];
  if (to) { cell.tabIndex = -1; to.tabIndex = 0; to.focus(); event.preventDefault(); }
  else if (event.key === "Enter" && event.target === cell) { const open = row.querySelector("button"); if (open) open.click(); }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") showTip(null);
  if (event.key === " " && player && !["INPUT", "SELECT", "BUTTON", "SUMMARY"].includes(event.target.tagName)) { $("play").click(); event.preventDefault(); }
});

$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("gmbench-theme", document.documentElement.dataset.theme); } catch { /* a page from disk may not keep it */ }
});
try { const kept = localStorage.getItem("gmbench-theme"); if (kept) document.documentElement.dataset.theme = kept; } catch { /* as above */ }

$("choose-board").append(...pageData.boards.map((board, n) => make("option", { value: n }, `${board.dataset}, ${board.protocol} (${board.hash})`)));
$("choose-board").addEventListener("change", (event) => { state.board = Number(event.target.value); state.sort = null; state.chosen = null; closePlayer(); $("method").hidden = true; drawMetricList(); drawBoard(); });
$("find-method").addEventListener("input", drawBoard);
$("controls").addEventListener("change", drawBoard);
$("all-metrics").addEventListener("change", () => { state.chosen = null; drawMetricList(); drawBoard(); });
$("table").tabIndex = -1;
drawMetricList();
drawBoard();
