// The address holds what is shown, so that a link to it shows the same: #dataset=..&sort=..&method=..&clip=..
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [key, usual] of Object.entries(DEFAULTS)) {
    const text = given.get(key);
    state[key] = text === null ? usual : typeof usual === "boolean" ? text === "1" : text;
  }
}
// A step that the browser's Back undoes (a method, a clip) is a new entry of its history, the rest replaces the last.
function writeAddress(step = false) {
  const now = new URLSearchParams();
  for (const [key, usual] of Object.entries(DEFAULTS)) if (state[key] !== usual) now.set(key, typeof usual === "boolean" ? Number(state[key]) : state[key]);
  const hash = `#${now}`;
  if (hash !== location.hash && (location.hash || hash !== "#")) history[step ? "pushState" : "replaceState"](null, "", hash);
}
const isAnchor = (hash) => /^#[a-z][a-z0-9-]*$/.test(hash);

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (!link || !isAnchor(link.getAttribute("href"))) return;
  const place = $(link.getAttribute("href").slice(1));
  if (!place) return;
  event.preventDefault();
  place.scrollIntoView();
  place.tabIndex = -1;
  place.focus({ preventScroll: true });
});
