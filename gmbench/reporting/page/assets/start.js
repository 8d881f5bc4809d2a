// From the address to what is shown, and from the page's fields back to both.
function drawAll() {
  $("choose-board").value = String(pageData.boards.indexOf(board()));
  $("find").value = state.find;
  $("controls").checked = state.controls;
  drawColumnSets();
  drawTables();
  drawLater();
}
// What needs a file of its own is drawn when it comes near the window.
const later = new Map([["parts", () => drawParts()], ["spread", () => drawSpread()]]), near = new Set();
const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => {
  const id = entry.target.id;
  if (entry.isIntersecting && !near.has(id)) { near.add(id); later.get(id)(); }
}), { rootMargin: "300px" });
const drawLater = () => near.forEach((id) => later.get(id)());

async function followAddress() {
  if (isAnchor(location.hash) && $(location.hash.slice(1))) { drawAll(); return; }
  const before = state.method;
  readAddress();
  drawAll();
  if (state.method && board().methods.includes(state.method)) await openMethod(state.method, state.clip, false);
  else if (before) { closePlayer(); $("method").hidden = true; }
}
const set = (key, value) => { state[key] = value; writeAddress(); };

document.querySelectorAll("form").forEach((form) => form.addEventListener("submit", (event) => event.preventDefault()));
$("choose-board").append(...pageData.boards.map((one, n) => option(n, `${one.dataset}, ${one.protocol} (${one.hash})`)));
$("choose-board").closest("label").hidden = pageData.boards.length < 2;
$("choose-board").addEventListener("change", (event) => {
  closePlayer();
  Object.assign(state, DEFAULTS, { dataset: Number(event.target.value) ? boardName(pageData.boards[Number(event.target.value)]) : "", find: state.find, controls: state.controls, page: 0 });
  $("method").hidden = true;
  writeAddress();
  drawAll();
});
for (const kind of ["input", "change"]) $("find").addEventListener(kind, (event) => { set("find", event.target.value); drawTables(); drawLater(); });
$("controls").addEventListener("change", (event) => { set("controls", event.target.checked); drawTables(); drawLater(); });
$("choose-by").addEventListener("change", (event) => { set("by", event.target.value); drawParts(); });
for (const id of ["choose-part-metric", "choose-spread-metric"]) $(id).addEventListener("change", (event) => { set("metric", event.target.value); drawLater(); });

$("theme").addEventListener("click", () => {
  const chosen = document.documentElement.dataset.theme, dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("gmbench-theme", document.documentElement.dataset.theme); } catch { /* a page from disk may not keep it */ }
});
try { const kept = localStorage.getItem("gmbench-theme"); if (kept) document.documentElement.dataset.theme = kept; } catch { /* as above */ }

let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; drawProfile(); drawLater(); } });
addEventListener("popstate", followAddress);
followAddress();
later.forEach((_, id) => watcher.observe($(id)));
