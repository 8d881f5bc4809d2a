// One method: its card, what failed, its clips, and two metrics against each other.
const PAGE = 50;

async function openMethod(name, clip = "", step = true) {
  const place = $("method");
  closePlayer();
  Object.assign(state, { method: name, clip, page: 0, beside: step ? "" : state.beside });
  place.hidden = false;
  place.replaceChildren(make("h2", { id: "method-title" }, name), make("p", {}, "reading…"));
  let clips;
  try { clips = await loadClips(name); } catch (error) {
    place.replaceChildren(make("h2", { id: "method-title" }, name), make("p", { class: "warn" }, error.message));
    return;
  }
  if (state.method !== name) return;
  writeAddress(step);
  drawMethod(clips);
  const at = clips.clips.indexOf(clip);
  if (at >= 0) await openClip(at, false);
  else { place.scrollIntoView({ behavior: "instant", block: "start" }); $("method-title").focus({ preventScroll: true }); }
}
function closeMethod() {
  closePlayer();
  Object.assign(state, { method: "", clip: "", beside: "", order: "", rising: false });
  $("method").hidden = true;
  writeAddress(true);
}

function drawMethod(clips) {
  const name = state.method, keys = board().metrics.filter((key) => clips.values[key]);
  const reorder = (key, rising) => { Object.assign(state, { order: key, rising, page: 0 }); pick.value = key; writeAddress(); drawClips(clips); };
  const pick = make("select", { onchange: (event) => reorder(event.target.value, bestIsUp(event.target.value)) }, option("", "name", state.order), ...metricOptions(keys, state.order));
  const first = () => state.order || keys.find((key) => ["higher", "lower"].includes(metric(key).direction)) || keys[0] || "";
  $("method").replaceChildren(make("h2", { id: "method-title", tabindex: -1 }, name), cardOf(name), failures(clips), make("div", { id: "player" }),
    make("div", { class: "transport" }, make("label", {}, "Order of clips ", pick), button("Worst first", () => reorder(first(), !bestIsUp(first())), { id: "worst" }), button("Best first", () => reorder(first(), bestIsUp(first())), { id: "best" }), button("Close", closeMethod)),
    make("div", { id: "clips" }), keys.length > 1 ? twoMetrics(clips, keys) : null);
  drawClips(clips);
}
function cardOf(name) {
  const { card, description } = pageData.methods[name];
  if (!card) return make("p", { class: "small" }, description || "No card: add one in dropin/<slug>/card.yaml.");
  const facts = { ...card, "frames scored here": board().sizes[name] || "none" };
  return make("details", {}, make("summary", {}, `Card: ${card.title || name}`), make("dl", {}, ...Object.entries(facts).filter(([, value]) => value).flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, value)])));
}

// Values that a metric's definition rules out are no failures.
function failures(clips) {
  if (!clips.failures.length) return make("p", { class: "small" }, "Every clip has a value under every metric that applies.");
  const groups = new Map();
  for (const [clip, key, status, reason] of clips.failures) {
    const group = groups.get(reason) || groups.set(reason, { status, metrics: new Set(), clips: new Set() }).get(reason);
    group.metrics.add(key); group.clips.add(clip);
  }
  const some = (all) => all.slice(0, 8).join(", ") + (all.length > 8 ? ", …" : "");
  const rows = [...groups].map(([reason, group]) => [group.status, clips.reasons[reason] || "–", [...group.metrics].map(titleOf).join(", "), String(group.clips.size), some([...group.clips].map((n) => clips.clips[n]))]);
  const failed = clips.failures.filter(([, , status]) => status !== "undefined").length, undefinedOnes = clips.failures.length - failed;
  const summary = [failed ? `${failed} values are missing` : "", undefinedOnes ? `${undefinedOnes} values do not exist by definition` : ""].filter(Boolean).join("; ");
  return make("details", { open: failed > 0 && rows.length < 4 }, make("summary", { class: failed ? "warn" : null }, summary), wide(grid(["Status", "Reason", "Metrics", "Clips", "Which"], rows, [0, 1, 2, 4]), "Missing values"));
}

function drawClips(clips) {
  const keys = columns().filter((key) => clips.values[key]);
  if (state.order && !keys.includes(state.order) && clips.values[state.order]) keys.unshift(state.order);
  const order = clips.clips.map((_, n) => n);
  if (clips.values[state.order]) order.sort((a, b) => compare(clips.values[state.order][a], clips.values[state.order][b], state.rising) || a - b);
  const pages = Math.max(1, Math.ceil(order.length / PAGE));
  state.page = Math.min(Math.max(0, state.page), pages - 1);
  const rows = order.slice(state.page * PAGE, (state.page + 1) * PAGE).map((n) => make("tr", {}, make("th", { scope: "row" }, button(breakable(clips.clips[n]), () => openClip(n)), make("small", {}, [clips.speaker[n], clips.emotion[n]].filter(Boolean).join(" · "))),
    ...keys.map((key) => make("td", {}, formatNumber(clips.values[key][n])))));
  const heading = (key) => make("th", { scope: "col", "aria-sort": state.order === key ? (state.rising ? "ascending" : "descending") : null },
    button(unbroken(titleOf(key)), () => { Object.assign(state, { rising: state.order === key ? !state.rising : bestIsUp(key), order: key, page: 0 }); writeAddress(); drawClips(clips); }), make("small", { class: "unit" }, unitOf(key)));
  const turn = (step) => () => { state.page += step; drawClips(clips); };
  $("clips").replaceChildren(wide(make("table", { class: "numbers" }, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Clip"), ...keys.map(heading))), make("tbody", {}, ...rows)), `Clips of ${state.method}`),
    make("div", { class: "transport" }, button("Previous", turn(-1), { disabled: state.page === 0 }), `${order.length} clips, page ${state.page + 1} of ${pages}`, button("Next", turn(1), { disabled: state.page === pages - 1 })));
}

function twoMetrics(clips, keys) {
  const chosen = board().chosen.filter((key) => keys.includes(key)), start = [...chosen, ...keys.filter((key) => !chosen.includes(key))];
  const place = make("div", {}), draw = () => place.replaceChildren(scatter(clips, first.value, second.value, openClip));
  const first = make("select", { onchange: draw }, ...metricOptions(keys, start[0])), second = make("select", { onchange: draw }, ...metricOptions(keys, start[1]));
  requestAnimationFrame(draw);
  return make("div", {}, make("h3", {}, "Two metrics against each other"), make("div", { class: "transport" }, make("label", {}, "Across ", first), make("label", {}, "Up ", second)), place);
}
