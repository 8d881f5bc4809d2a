// Means of parts of the set: by emotion, level or speaker, and which emotion a classifier saw.
const PART_TITLES = { emotion: "emotion", level: "level of the emotion", speaker: "speaker" };
const MAX_MATRICES = 12;

async function drawParts() {
  const place = $("part-table");
  let found;
  try { found = await loadParts(); } catch (error) { place.replaceChildren(make("p", { class: "warn" }, error.message)); return; }
  const kinds = Object.keys(PART_TITLES).filter((kind) => found.by[kind]);
  const by = kinds.includes(state.by) ? state.by : kinds[0];
  $("choose-by").replaceChildren(...kinds.map((kind) => option(kind, PART_TITLES[kind], by)));
  drawConfusion(found.confusion);
  if (!by) { place.replaceChildren(make("p", {}, "Clips have no labels, or all the same: pass --labels with clip, speaker and emotion.")); return; }
  const part = found.by[by], keys = board().metrics.filter((key) => Object.values(part.cells).some((row) => row[key]));
  const key = keys.includes(state.metric) ? state.metric : board().chosen.find((one) => keys.includes(one) && metric(one).aspect === "Emotion") || keys[0];
  $("choose-part-metric").replaceChildren(...metricOptions(keys, key));
  const values = Object.entries(part.cells).filter(([name]) => board().bands[name] !== "control").flatMap(([, row]) => (row[key] || []).map((cell) => cell && cell[0])).filter(Number.isFinite);
  const low = Math.min(...values), high = Math.max(...values), direction = metric(key).direction;
  const shade = (value) => high > low && ["higher", "lower"].includes(direction) ? (direction === "higher" ? value - low : high - value) / (high - low) : NaN;
  const head = make("tr", {}, make("th", { scope: "col" }, "Method"), ...part.names.map((name, n) => make("th", { scope: "col" }, name, make("small", { class: "unit" }, `${part.clips[n]} clips`))));
  const rows = shownBands().map(([title, names]) => make("tbody", {}, make("tr", { class: "band" }, make("th", { colspan: part.names.length + 1, scope: "rowgroup" }, make("span", {}, title))), ...names.map((name) => make("tr", {}, make("th", { scope: "row" }, name),
    ...((part.cells[name] || {})[key] || part.names.map(() => null)).map((cell, n) => cell ? make("td", { style: heat(board().bands[name] === "control" ? NaN : shade(cell[0])) }, formatNumber(cell[0]), cell[1] === part.clips[n] ? null : make("small", { class: "warn" }, `${cell[1]}/${part.clips[n]}`)) : make("td", {}, "–"))))));
  place.replaceChildren(wide(make("table", { class: "numbers", id: "by-part" }, make("caption", {}, `${titleOf(key)} by ${PART_TITLES[by]}`), make("thead", {}, head), ...rows), `${titleOf(key)} by ${PART_TITLES[by]}`),
    make("p", { class: "small" }, `Means over few clips each: nothing is tested here, and darker only means better by mean.${part.left ? ` The ${part.names.length} with the most clips are shown, ${part.left} are not.` : ""}`));
}

function drawConfusion(confusion) {
  const place = $("confusion"), methods = shownMethods().filter((name) => confusion.methods[name]).sort((a, b) => (b === "ground_truth") - (a === "ground_truth"));
  if (!methods.length) { place.replaceChildren(make("p", { class: "small" }, "Which emotion a classifier saw stands here when Acc_emo was evaluated on labelled clips.")); return; }
  const matrix = (name) => {
    const counts = confusion.methods[name];
    const rows = confusion.rows.map((row, r) => { const all = counts[r].reduce((a, b) => a + b, 0); return make("tr", {}, make("th", { scope: "row" }, row), ...counts[r].map((count) => make("td", { style: count ? heat(count / all) : null }, count || "·"))); });
    const head = make("tr", {}, make("th", { scope: "col" }, "asked for"), ...confusion.columns.map((column) => make("th", { scope: "col" }, make("span", {}, column))));
    return make("div", {}, wide(make("table", { class: "matrix" }, make("caption", {}, name), make("thead", {}, head), make("tbody", {}, ...rows)), `Emotions that a classifier saw in ${name}`));
  };
  place.replaceChildren(make("h3", {}, "Which emotion the classifier saw"), make("p", { class: "small" }, `Down: asked for; across: seen; clips. Read ground_truth first: what the classifier confuses there it confuses everywhere.${methods.length > MAX_MATRICES ? ` The first ${MAX_MATRICES} of ${methods.length} methods; find others by name above.` : ""}`),
    make("div", { class: "matrices" }, ...methods.slice(0, MAX_MATRICES).map(matrix)));
}
