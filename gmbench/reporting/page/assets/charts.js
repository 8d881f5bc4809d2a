// Drawings: methods across the chosen metrics, clip values of a metric by method, clips under two metrics. Every one of
// them shows numbers that a table on this page has too.
const COLOURS = 8;
// Beyond the eighth, the same colours nearer to that of the text.
const colourAt = (n) => n < COLOURS ? `var(--c${n})` : `color-mix(in srgb, var(--c${n % COLOURS}) ${Math.max(25, 100 - 45 * Math.floor(n / COLOURS))}%, var(--text))`;
const colourOf = (name) => colourAt(board().methods.indexOf(name));
const text = (x, y, content, given = {}) => svg("text", { x, y, ...given }, content);
function ticks(low, high, most) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) || 10), found = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step) found.push(Math.abs(tick) < step / 1e6 ? 0 : tick);
  return found;
}
const shortNumber = (value) => String(Number(value.toPrecision(3)));

/* Methods across the chosen metrics: a line a method, the best of each metric at the top */

function drawProfile() {
  const one = board(), place = $("profile"), methods = shownMethods().filter((name) => one.bands[name] !== "control");
  const keys = one.chosen.filter((key) => methods.some((name) => !Number.isNaN(goodness(key)(name))));
  if (methods.length < 2 || keys.length < 2) { place.replaceChildren(); return; }
  const width = Math.max(280, place.clientWidth || 900), height = 230, left = 50, right = 50, top = 44, bottom = 200;
  const x = (n) => left + n * (width - left - right) / (keys.length - 1), y = (share) => bottom - share * (bottom - top);
  const narrow = width / keys.length < 90;
  const axes = keys.map((key, n) => {
    const of = one.methods.filter((name) => !Number.isNaN(goodness(key)(name))), ends = [1, 0].map((share) => of.find((name) => goodness(key)(name) === share));
    return svg("g", {}, svg("line", { class: "axis", x1: x(n), x2: x(n), y1: top, y2: bottom }),
      text(x(n), narrow && n % 2 ? 26 : 12, titleOf(key).replace(/ (↑|↓|→.*?)?†?$/, ""), { class: "label", "text-anchor": "middle" }),
      ...ends.map((name, e) => name ? text(x(n), e ? bottom + 16 : top - 5, cellOf(name, key).t, { class: "tick", "text-anchor": "middle" }) : null));
  });
  const lines = methods.map((name) => {
    const points = keys.map((key, n) => [x(n), y(goodness(key)(name))]).filter(([, v]) => !Number.isNaN(v));
    return svg("g", { class: "line", "data-name": name, style: `--colour: ${colourOf(name)}` }, svg("polyline", { points: points.map((p) => p.join(",")).join(" "), "stroke-dasharray": one.bands[name] ? "5 4" : null }),
      ...points.map(([cx, cy]) => svg("circle", { cx, cy, r: 3.5 })), svg("title", {}, name));
  });
  const mark = (name) => place.querySelectorAll(".line").forEach((line) => line.classList.toggle("faint", Boolean(name) && line.dataset.name !== name));
  const drawing = svg("svg", { width, height, role: "img", "aria-label": "Methods across the chosen metrics; the table above has the numbers" }, ...axes, ...lines);
  const legend = make("p", { class: "legend" }, ...methods.map((name) => make("span", { onmouseover: () => mark(name), onmouseout: () => mark("") }, make("i", { style: `background: ${colourOf(name)}` }), name)));
  place.replaceChildren(make("figure", {}, drawing, legend, make("figcaption", {}, "Best of each metric at the top, least good at the bottom, by mean; dashed: takes from the real clip. Distances between metrics mean nothing.")));
}

/* Clip values of a metric: density or dots a method, quartiles, mean with its interval */

async function drawSpread() {
  const place = $("spread-plot"), chosen = $("choose-spread-metric");
  let spread;
  try { ({ spread } = await loadParts()); } catch (error) { place.replaceChildren(make("p", { class: "warn" }, error.message)); return; }
  const keys = board().metrics.filter((key) => spread.metrics[key]);
  const key = keys.includes(state.metric) ? state.metric : board().chosen.find((one) => keys.includes(one)) || keys[0];
  chosen.replaceChildren(...metricOptions(keys, key));
  if (!key) { place.replaceChildren(make("p", {}, "No metric has values of single clips.")); return; }
  const found = spread.metrics[key], methods = shownMethods().filter((name) => found.methods[name]);
  const width = Math.max(280, place.clientWidth || 900), left = Math.min(190, width * 0.36), right = 16, row = 34, top = 8, bottom = top + row * methods.length;
  const cells = methods.map((name) => cellOf(name, key)), ends = cells.flatMap((cell) => [cell.lo, cell.hi].map(plain)).filter(Number.isFinite);
  const low = Math.min(found.low, ...ends), high = Math.max(found.high, ...ends), range = high > low ? high - low : 1;
  const x = (value) => left + (value - low) / range * (width - left - right);
  const binWidth = (found.high - found.low || 1) / methods.map((name) => found.methods[name].bins.length)[0];
  const rows = methods.map((name, n) => {
    const own = found.methods[name], middle = top + row * (n + 0.5), most = Math.max(...own.bins), cell = cellOf(name, key);
    const at = (k) => x(found.low + (k + 0.5) * binWidth), thick = (count) => count / most * row * 0.42;
    const outline = [...own.bins.map((count, k) => `${at(k)},${middle - thick(count)}`), ...own.bins.map((count, k) => `${at(k)},${middle + thick(count)}`).reverse()].join(" ");
    const dots = (own.dots || []).map(([clip, value], k) => svg("circle", { class: "dot", cx: x(value), cy: middle + ((k * 37) % 17 - 8) * 0.9, r: 2.6, "data-method": name, "data-clip": spread.clips[clip] }, svg("title", {}, `${spread.clips[clip]}: ${formatNumber(value)}`)));
    const interval = [cell.lo, cell.hi].map(plain), mean = plain(cell.v);
    return svg("g", { style: `--colour: ${colourOf(name)}` }, text(left - 8, middle + 4, name.length > left / 7 ? `${name.slice(0, Math.floor(left / 7) - 1)}…` : name, { class: "label", "text-anchor": "end" }),
      svg("polygon", { class: "violin", points: outline }), svg("line", { class: "quartiles", x1: x(own.quartiles[0]), x2: x(own.quartiles[2]), y1: middle, y2: middle }), ...dots,
      interval.every(Number.isFinite) ? svg("line", { class: "interval", x1: x(interval[0]), x2: x(interval[1]), y1: middle, y2: middle }) : null,
      Number.isFinite(mean) ? svg("line", { class: "mean", x1: x(mean), x2: x(mean), y1: middle - row * 0.38, y2: middle + row * 0.38 }) : null);
  });
  const axis = ticks(low, low + range, width < 500 ? 3 : 7).map((value) => svg("g", {}, svg("line", { class: "grid", x1: x(value), x2: x(value), y1: top, y2: bottom }), text(x(value), bottom + 16, shortNumber(value), { class: "tick", "text-anchor": "middle" })));
  const drawing = svg("svg", { width, height: bottom + 24, role: "img", "aria-label": `Values of the clips under ${titleOf(key)} by method`, onclick: (event) => { const dot = event.target.closest(".dot"); if (dot) openMethod(dot.dataset.method, dot.dataset.clip); } }, ...axis, ...rows);
  const what = spread.clips.length ? "A dot a clip: click one to watch it." : "The shape is the density of clips.";
  place.replaceChildren(make("figure", {}, drawing, make("figcaption", {}, `${titleOf(key)}${metric(key).unit ? ` [${metric(key).unit}]` : ""}. ${what} Thick line: middle half of the clips; thin line: 95 % interval of the mean; upright: mean.`)));
}
const metricOptions = (keys, chosen) => aspects().map((aspect) => [aspect, keys.filter((key) => metric(key).aspect === aspect)]).filter(([, own]) => own.length)
  .map(([aspect, own]) => make("optgroup", { label: aspect }, ...own.map((key) => option(key, titleOf(key), chosen))));

/* Clips of one method under two metrics */

function scatter(clips, first, second, watch) {
  const width = Math.max(280, Math.min(620, $("method").clientWidth || 620)), height = 300, left = 54, bottom = height - 40;
  const points = clips.clips.map((name, n) => [plain(clips.values[first][n]), plain(clips.values[second][n]), n]).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
  if (points.length < 2) return make("p", { class: "small" }, "Fewer than two clips have both values.");
  const range = (side) => { const all = points.map((p) => p[side]), low = Math.min(...all), high = Math.max(...all), pad = (high - low || 1) * 0.05; return [low - pad, high + pad]; };
  const [[x0, x1], [y0, y1]] = [range(0), range(1)], x = (v) => left + (v - x0) / (x1 - x0) * (width - left - 12), y = (v) => bottom - (v - y0) / (y1 - y0) * (bottom - 10);
  const emotions = [...new Set(clips.emotion)].sort();
  const dots = points.map(([a, b, n]) => svg("circle", { class: "dot", cx: x(a), cy: y(b), r: 4, "data-n": n, style: `--colour: ${colourAt(emotions.indexOf(clips.emotion[n]))}` }, svg("title", {}, `${clips.clips[n]}: ${formatNumber(a)}, ${formatNumber(b)}`)));
  const axes = [...ticks(x0, x1, 5).map((v) => svg("g", {}, svg("line", { class: "grid", x1: x(v), x2: x(v), y1: 10, y2: bottom }), text(x(v), bottom + 15, shortNumber(v), { class: "tick", "text-anchor": "middle" }))),
    ...ticks(y0, y1, 5).map((v) => svg("g", {}, svg("line", { class: "grid", x1: left, x2: width - 12, y1: y(v), y2: y(v) }), text(left - 6, y(v) + 4, shortNumber(v), { class: "tick", "text-anchor": "end" })))];
  const legend = emotions.length > 1 ? make("p", { class: "legend" }, ...emotions.map((name, n) => make("span", {}, make("i", { style: `background: ${colourAt(n)}` }), name || "no label"))) : null;
  return make("figure", {}, svg("svg", { width, height, role: "img", "aria-label": `Clips under ${titleOf(first)} and ${titleOf(second)}`, onclick: (event) => { const dot = event.target.closest(".dot"); if (dot) watch(Number(dot.dataset.n)); } },
    ...axes, ...dots, text(width / 2, height - 6, titleOf(first), { class: "label", "text-anchor": "middle" })), legend,
    make("figcaption", {}, `Across: ${titleOf(first)}. Up: ${titleOf(second)}. Click a clip to watch it.`));
}
