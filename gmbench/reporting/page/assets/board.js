// The tables: a few chosen metrics above, all metrics by aspect below, in the same order of methods.
function columns() {
  const one = board();
  if (state.columns === "all") return one.metrics;
  if (state.columns === "usual") { const usual = one.metrics.filter((key) => metric(key).default); return usual.length ? usual : one.metrics; }
  const single = state.columns.split(",");
  return one.metrics.filter((key) => single.includes(key) || metric(key).aspect === state.columns);
}
const aspects = () => [...new Set(board().metrics.map((key) => metric(key).aspect))].sort((a, b) => pageData.aspects.indexOf(a) - pageData.aspects.indexOf(b));

function drawTables() {
  const one = board(), keys = columns();
  $("headline").replaceChildren(...one.headline.map((text) => make("p", {}, text)));
  $("why").replaceChildren(...one.why.map((note) => make("p", { class: "small" }, note)));
  $("chosen").replaceChildren(...(shownMethods().length ? [table("chosen-table", one.chosen, "A few metrics of each aspect", true)] : [nothing()]));
  drawProfile();
  $("tables").replaceChildren(...(shownMethods().length ? aspects().flatMap((aspect) => {
    const own = keys.filter((key) => metric(key).aspect === aspect);
    return own.length ? [make("h3", {}, aspect), table(`table-${aspect.toLowerCase().replaceAll(" ", "-")}`, own, aspect)] : [];
  }) : [nothing()]));
  $("files").replaceChildren("All metrics and methods of this board: ", ...Object.entries(one.files).flatMap(([kind, file], n) => [n ? ", " : "", make("a", { href: file, download: true, onclick: (event) => { event.preventDefault(); download(kind, file); } }, kind)]));
  drawRanks(one);
}
// Browsers show a file beside a page from disk instead of saving it, so what is saved is made from the page's own data.
async function download(kind, file) {
  let texts;
  try { texts = await load(`${pageData.boards.indexOf(board())}-files`); } catch { location.href = file; return; }
  const url = URL.createObjectURL(new Blob([texts[kind]]));
  make("a", { href: url, download: file.split("/").pop() }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
const nothing = () => make("p", { class: "empty" }, `No method has "${state.find}" in its name${state.controls ? "" : ", controls left aside"}.`);

function table(id, keys, caption, withAspects = false) {
  const sorted = (key) => state.sort === key ? (state.up ? "ascending" : "descending") : null;
  const heading = (key) => make("th", { scope: "col", "aria-sort": sorted(key), "data-key": key, tabindex: -1 },
    withAspects ? make("small", {}, metric(key).aspect) : null, button(unbroken(titleOf(key)), () => sortBy(id, key, bestIsUp(key)), { tabindex: -1 }), make("small", { class: "unit" }, unitOf(key)));
  const head = make("tr", {}, make("th", { scope: "col", "aria-sort": sorted("name"), tabindex: -1 }, button("Method", () => sortBy(id, "name", true), { tabindex: -1 })), ...keys.map(heading));
  const good = Object.fromEntries(keys.map((key) => [key, goodness(key)]));
  const bands = shownBands(), several = bands.length > 1 || bands[0][0] !== BANDS[0][1];
  const bodies = bands.map(([title, names]) => make("tbody", {},
    several ? make("tr", { class: "band" }, make("th", { colspan: keys.length + 1, scope: "rowgroup" }, make("span", {}, title))) : null,
    ...names.map((name) => make("tr", {}, methodHeading(name), ...keys.map((key) => numberCell(name, key, good[key](name)))))));
  const made = make("table", { id, role: "grid", "aria-describedby": "how", class: "numbers" }, make("caption", { class: "hidden" }, caption), make("thead", {}, head), ...bodies);
  (made.querySelector("tbody tr:not(.band) > *") || made).tabIndex = 0;
  return make("div", { class: "wide" }, made);
}
function unitOf(key) {
  const same = board().metrics.filter((other) => titleOf(other) === titleOf(key)).length > 1;
  return [metric(key).unit, same && metric(key).fallback ? metric(key).fallback : ""].filter(Boolean).join(", ") || " ";
}
function methodHeading(name) {
  const takes = board().takes[name], about = pageData.methods[name].description;
  const tip = [about, takes ? `takes ${takes} from the reference` : ""].filter(Boolean).join("; ");
  return make("th", { scope: "row", tabindex: -1, "data-tip": tip || null }, button(breakable(name), () => openMethod(name), { tabindex: -1 }),
    takes ? make("small", {}, `takes ${takes}`) : null);
}
function numberCell(name, key, good) {
  const cell = cellOf(name, key);
  if (!cell) return make("td", { tabindex: -1, "data-method": name, "data-key": key }, "–");
  return make("td", { tabindex: -1, "data-method": name, "data-key": key, style: heat(good) }, cell.best ? make("strong", {}, cell.t) : cell.t,
    cell.i ? make("small", {}, `[${cell.i}]`) : null, cell.n === cell.of ? null : make("small", { class: "warn" }, `${cell.n}/${cell.of}`));
}

function sortBy(id, key, up) {
  state.up = state.sort === key ? !state.up : up;
  state.sort = key;
  writeAddress();
  drawTables();
  const heading = $(id) && $(id).querySelector("th[aria-sort] button");
  if (heading) heading.focus({ preventScroll: true });
}

function drawColumnSets() {
  const sets = [["usual", "Usual"], ["all", "All"], ...aspects().map((aspect) => [aspect, aspect])];
  const choose = (value) => { state.columns = value; writeAddress(); drawColumnSets(); drawTables(); };
  $("column-sets").replaceChildren($("column-sets").querySelector("legend"), ...sets.map(([value, text]) => make("label", { class: "tick" },
    make("input", { type: "radio", name: "columns", value, checked: state.columns === value, onchange: () => choose(value) }), ` ${text}`)));
  const shown = new Set(columns());
  const tick = (key) => make("label", { class: "tick" }, make("input", { type: "checkbox", checked: shown.has(key), "data-key": key, onchange: (event) => {
    shown[event.target.checked ? "add" : "delete"](key);
    state.columns = board().metrics.filter((one) => shown.has(one)).join(",") || "none";
    writeAddress(); drawTables();
    $("column-sets").querySelectorAll("input").forEach((input) => { input.checked = false; });
  } }), ` ${titleOf(key)}`);
  $("metric-list").lastElementChild.replaceChildren(...aspects().map((aspect) => make("fieldset", {}, make("legend", {}, aspect), ...board().metrics.filter((key) => metric(key).aspect === aspect).map(tick))));
}

function drawRanks(one) {
  const head = ["Method", "Mean rank ↓", "Metrics", "First", "First, supported"];
  $("ranks").lastElementChild.replaceChildren(one.ranks.length ? wide(grid(head, one.ranks.map((row) => row.map(String)), [0]), "Methods by mean rank") : make("p", {}, "No method is ranked."),
    make("p", { class: "small" }, "Ranks weigh all metrics with a best value alike and say nothing of how far methods are apart. Supported: bold in the tables."));
}

/* Tips and keys */

function provenance(name, key, cell) {
  const m = metric(key), one = board();
  const lines = [`${m.title} (${key}), version ${cell.version}: ${cell.t}${cell.i ? ` [${cell.i}]` : ""}${m.unit ? ` ${m.unit}` : ""}`,
    `${name} on ${one.dataset}, protocol ${one.protocol} (${one.hash})`,
    `${cell.n} of ${cell.of} clips, ${cell.frames} of ${cell.frames_of} frames; over all frames ${cell.pooled}`,
    `extractor: ${cell.backend}${cell.weights ? `, weights ${cell.weights}` : ""}`];
  if (cell.flags) lines.push(`flags: ${cell.flags}`);
  one.sets[name].filter((row) => row[0] === key).forEach((row) => lines.push(`${row[1]}: ${row[2]}`));
  if (m.interpretation) lines.push("", m.interpretation);
  if (m.caveats && m.caveats !== "None known.") lines.push(`But: ${m.caveats}`);
  return lines.join("\n");
}
function meaning(key) {
  const m = metric(key);
  return [m.title + (m.fallback ? `: fallback, scored by ${m.fallback}; never compare with published figures` : ""), m.interpretation, m.caveats && m.caveats !== "None known." ? `But: ${m.caveats}` : "", m.source ? `Source: ${m.source}` : ""].filter(Boolean).join("\n");
}
function tipOf(element) {
  const place = element && element.closest("td[data-key], th[data-key], [data-tip]");
  if (!place) return [null, ""];
  if (place.dataset.tip) return [place, place.dataset.tip];
  if (place.tagName === "TH") return [place, meaning(place.dataset.key)];
  const cell = cellOf(place.dataset.method, place.dataset.key);
  return [place, cell ? provenance(place.dataset.method, place.dataset.key, cell) : "not evaluated"];
}
function showTip(element) {
  const tip = $("tip"), [place, text] = tipOf(element);
  document.querySelectorAll("[aria-describedby=tip]").forEach((one) => one.removeAttribute("aria-describedby"));
  tip.hidden = !place;
  if (!place) return;
  tip.textContent = text;
  place.setAttribute("aria-describedby", "tip");
  const box = place.getBoundingClientRect(), size = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, Math.min(box.left, document.documentElement.clientWidth - size.width - 6))}px`;
  tip.style.top = `${box.bottom + size.height + 6 < innerHeight ? box.bottom + 4 : Math.max(6, box.top - size.height - 4)}px`;
}
for (const [name, get] of [["mouseover", (e) => e.target], ["focusin", (e) => e.target], ["mouseout", () => null], ["focusout", () => null]])
  document.addEventListener(name, (event) => showTip(get(event)));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") showTip(null);
  const cell = event.target.closest && event.target.closest("table[role=grid] :is(td, th)");
  if (!cell) return;
  const row = cell.parentElement, rows = [...cell.closest("table").rows].filter((one) => !one.classList.contains("band"));
  const at = [...row.children].indexOf(cell), line = rows.indexOf(row), down = (by) => rows[line + by] && rows[line + by].children[at];
  const to = { ArrowRight: row.children[at + 1], ArrowLeft: row.children[at - 1], ArrowDown: down(1), ArrowUp: down(-1), Home: row.children[0], End: row.lastElementChild }[event.key];
  if (to) {
    cell.closest("table").querySelectorAll("[tabindex='0']").forEach((one) => { one.tabIndex = -1; });
    to.tabIndex = 0; to.focus(); event.preventDefault();
  } else if (event.key === "Enter" && event.target === cell) { const inside = cell.querySelector("button") || row.querySelector("button"); if (inside) { event.preventDefault(); inside.click(); } } // else Enter presses what gets the focus, too
});
