// Clips side by side, in step: the first one leads, the others follow its clock. Controls are played from the reference.
const FRAME = 1 / 25;
let player = null;

function closePlayer() {
  if (!player) return;
  cancelAnimationFrame(player.frame);
  player.all().forEach((media) => { media.pause(); media.removeAttribute("src"); media.load(); });
  player = null;
}

// What a control does to the reference, as a player can do it; null where it cannot.
function changeOf(text) {
  const how = { hold: false, blur: 0, late: 0 };
  for (const part of (text || "").split(" ").filter(Boolean)) {
    const [kind, amount] = part.split(":");
    if (kind === "still") how.hold = true;
    else if (kind === "blur") how.blur = Number(amount);
    else if (kind === "late") how.late = Number(amount) * FRAME;
    else return null;
  }
  return how;
}

async function openClip(n, step = true) {
  closePlayer();
  const method = state.method, clips = await loadClips(method), clip = clips.clips[n];
  const kept = state.clip === clip || !step ? state.beside : "";
  Object.assign(state, { clip, beside: kept });
  writeAddress(step);
  const others = board().methods.filter((name) => name !== method && name !== "ground_truth");
  const screens = make("div", { class: "players" }), sound = make("select", {}), time = make("span", { class: "time" }, "0.00 s");
  const seek = make("input", { type: "range", min: 0, max: 1, step: 0.001, value: 0, "aria-label": "time" });
  const play = button("Play", () => { if (current.playing) pause(); else if (lead() && lead().ended) restart(); else start(); }, { id: "play" });
  const speed = make("select", { "aria-label": "speed" }, ...["1", "0.5", "0.25"].map((v) => option(v, `${v} x`, state.speed)));
  const loop = make("input", { type: "checkbox", checked: true }), differences = make("input", { type: "checkbox", id: "differences", checked: state.differences, onchange: () => { set("differences", differences.checked); showDifferences(); } });
  const zoom = make("select", { "aria-label": "zoom", onchange: () => { set("zoom", zoom.value); showZoom(); } }, ...["1", "2", "4"].map((v) => option(v, `${v} x large`, state.zoom)), option("mouth", "mouth", state.zoom));
  const marks = button("Landmarks", () => { state.landmarks = !state.landmarks; writeAddress(); showLandmarks(); }, { id: "landmarks", "aria-pressed": String(state.landmarks) });
  const legend = make("small", { id: "legend-of-landmarks", hidden: !state.landmarks }, "blue: the clip's own; yellow: its reference's");
  const shown = [], shownOthers = [];
  player = { frame: 0, playing: false, screens: [], all: () => player.screens.flatMap((screen) => [screen.video, screen.sound, screen.over].filter(Boolean)) };
  const current = player, lead = () => current.screens.map((screen) => screen.video).find((video) => video && !video.dataset.hold);
  const moving = () => current.screens.flatMap((screen) => [screen.video && !screen.video.dataset.hold ? [screen.video, 0] : null, screen.over ? [screen.over, 0] : null, screen.sound ? [screen.sound, screen.late] : null].filter(Boolean));
  const length = () => Math.max(lead() ? lead().duration || 0 : 0, 0.001);

  function add(name, url, reference, change, landmarks, why = "no file that a browser can play") {
    const how = changeOf(change), source = url || (change && how ? reference : ""), frame = make("div", { class: "screen" });
    const screen = { name, frame, video: null, over: null, sound: null, late: how ? how.late : 0, reference: name === "reference" ? "" : reference, landmarks, canvas: null, own: null, real: null, problem: "", shown: null };
    const note = change ? make("small", {}, how ? `made from the reference: ${change}` : "") : null;
    if (!source) frame.append(make("div", { class: "none" }, change ? `made from the reference, ${change}: not played here` : why));
    else {
      screen.video = make("video", { src: source, playsinline: true, preload: "auto", "data-name": name, "data-hold": how && how.hold ? "1" : null, muted: true });
      screen.video.muted = true;
      if (how && (how.hold || how.late)) screen.sound = make("audio", { src: source, preload: "auto" });
      if (screen.sound) screen.sound.muted = true;
      if (how && how.blur) screen.video.addEventListener("loadedmetadata", () => { screen.video.style.filter = `blur(${how.blur * screen.video.clientWidth / screen.video.videoWidth}px)`; });
      screen.video.addEventListener("error", () => { frame.replaceChildren(make("div", { class: "none" }, "this browser cannot play the file; open it in another player")); screen.video = screen.sound = null; });
      sound.append(option(name, name));
      frame.append(screen.video);
      watchFrames(screen);
    }
    current.screens.push(screen);
    screens.style.setProperty("--screens", current.screens.length);
    screens.append(make("figure", {}, frame, make("figcaption", {}, name, note)));
    listen();
    if (differences.checked) showDifferences();
    showLandmarks();
    showZoom();
  }
  const listen = () => current.screens.forEach((screen) => { const mine = screen.name === sound.value; if (screen.video) screen.video.muted = !mine || Boolean(screen.sound); if (screen.sound) screen.sound.muted = !mine; });
  function showDifferences() {
    for (const screen of current.screens.filter((one) => one.video && one.reference)) {
      if (screen.over) { screen.over.remove(); screen.over = null; }
      screen.frame.classList.toggle("difference", differences.checked);
      if (differences.checked) { screen.over = make("video", { src: screen.reference, class: "over", playsinline: true, preload: "auto", "aria-hidden": "true" }); screen.over.muted = true; screen.frame.append(screen.over); }
    }
    if (current.playing) start(); else go(lead() ? lead().currentTime : 0);
  }

  async function showLandmarks() {
    marks.setAttribute("aria-pressed", String(state.landmarks));
    screens.classList.toggle("marked", state.landmarks);
    legend.hidden = !state.landmarks;
    for (const screen of current.screens.filter((one) => one.video)) {
      if (!screen.canvas && state.landmarks) {
        screen.canvas = canvasOver(screen.frame);
        await readLandmarks(screen);
        if (!screen.own) say(screen, "unmarked", `no landmarks: ${screen.problem || "the evaluation kept none of this clip"}`);
      }
      if (screen.canvas) screen.canvas.hidden = !state.landmarks;
    }
  }
  const say = (screen, kind, text) => screen.frame.parentElement.querySelector("figcaption").append(make("small", { class: kind }, text));

  async function showZoom() {
    const mouth = zoom.value === "mouth";
    screens.classList.toggle("mouths", mouth);
    screens.style.setProperty("--zoom", mouth ? 1 : zoom.value);
    for (const screen of current.screens.filter((one) => one.video)) {
      for (const name of ["--zoom", "--at"]) screen.frame.style.removeProperty(name);
      if (!mouth || screen.cropped) continue;
      screen.cropped = true;
      await readLandmarks(screen);
      if (!screen.own || !screen.own.some(Boolean)) say(screen, "uncropped", "no landmarks: enlarged about a fixed point");
    }
  }

  function follow() {
    if (current !== player) return;
    for (const screen of current.screens.filter((one) => one.video)) {
      const times = zoom.value === "mouth" ? showMouth(screen, current.screens[0].video) : Number(zoom.value);
      if (state.landmarks) drawLandmarks(screen, current.screens[0].video, times);
    }
    const first = lead();
    if (first) {
      for (const [media, late] of moving().slice(current.playing ? 1 : moving().length)) {
        const now = first.currentTime - late, ahead = media.currentTime - now;
        if (now < 0) { if (!media.paused) media.pause(); continue; }
        if (media.ended || now > media.duration) continue;
        if (media.paused) media.play().catch(() => {});
        if (Math.abs(ahead) > 0.1) media.currentTime = now;
        else media.playbackRate = Number(speed.value) * (Math.abs(ahead) > 0.015 ? 1 - Math.sign(ahead) * 0.08 : 1);
      }
      if (current.playing && first.ended) { if (loop.checked) restart(); else pause(); }
      seek.value = first.currentTime / length();
      time.textContent = `${first.currentTime.toFixed(2)} s, frame ${Math.floor(first.currentTime / FRAME + 0.01)}`;
    }
    current.frame = requestAnimationFrame(follow);
  }
  async function start() {
    current.playing = true; play.textContent = "Pause";
    const media = moving().filter(([, late]) => lead().currentTime >= late).map(([one]) => one);
    media.forEach((one) => { one.playbackRate = Number(speed.value); });
    await Promise.allSettled(media.map((one) => one.play()));
  }
  function pause() { current.playing = false; play.textContent = "Play"; moving().forEach(([one]) => one.pause()); }
  function go(at) { moving().forEach(([one, late]) => { one.currentTime = Math.max(0, at - late); }); }
  function restart() { go(0); start(); }
  // The middle of a frame, so that rounding never shows its neighbour.
  const frames = (by) => { pause(); go(Math.min(length() - FRAME / 2, Math.max(0, (Math.floor(lead().currentTime / FRAME + 0.01) + by + 0.5) * FRAME))); };
  seek.addEventListener("input", () => go(seek.value * length()));
  sound.addEventListener("change", listen);
  speed.addEventListener("change", () => { set("speed", speed.value); moving().forEach(([one]) => { one.playbackRate = Number(speed.value); }); });
  screens.addEventListener("pointermove", (event) => { const box = event.target.getBoundingClientRect(); if (zoom.value > 1) screens.style.setProperty("--at", `${100 * (event.clientX - box.left) / box.width}% ${100 * (event.clientY - box.top) / box.height}%`); });

  async function addMethod(name) {
    const beside = await loadClips(name), at = beside.clips.indexOf(clip);
    if (current !== player) return;
    shownOthers.push(name);
    if (at < 0) add(name, "", "", "", [], "has no such clip");
    else add(name, beside.video[at], beside.reference[at], beside.change[at], [beside.landmarks[at], beside.reference_landmarks[at]]);
    shown.push([name, at < 0 ? null : beside, at]);
    [...more.options].find((one) => one.value === name).remove();
    state.beside = shownOthers.join(",");
    writeAddress();
    drawValues(values, shown);
    if (current.playing) start(); else if (lead()) go(lead().currentTime);
  }
  const more = make("select", { "aria-label": "add a method", id: "beside", onchange: (event) => { const name = event.target.value; event.target.value = ""; if (name) addMethod(name); } }, option("", "add a method…"), ...others.map((name) => option(name, name)));
  const values = make("div", { id: "values" });
  $("player").replaceChildren(make("h3", {}, clip), make("p", { class: "small" }, [clips.speaker[n], clips.emotion[n]].filter(Boolean).join(" · ")), screens,
    make("div", { class: "transport", id: "transport" }, play, button("−1 frame", () => frames(-1), { id: "back" }), button("+1 frame", () => frames(1), { id: "forward" }), seek, time),
    make("div", { class: "transport" }, more, make("label", {}, "sound of ", sound), speed, zoom, make("label", { class: "tick" }, loop, " loop"), make("label", { class: "tick" }, differences, " difference to the reference"), pageData.noLandmarks ? make("small", { id: "no-landmarks" }, `No landmarks: ${pageData.noLandmarks}`) : [marks, legend], button("Full screen", () => screens.requestFullscreen(), { id: "full" })), values);
  add("reference", clips.reference[n], "", "", [clips.reference_landmarks[n]]);
  add(method, clips.video[n], clips.reference[n], clips.change[n], [clips.landmarks[n], clips.reference_landmarks[n]]);
  shown.push([method, clips, n]);
  drawValues(values, shown);
  follow();
  for (const name of kept.split(",").filter((one) => others.includes(one))) await addMethod(name);
  $("player").scrollIntoView({ behavior: "instant", block: "start" });
  play.focus({ preventScroll: true });
}

// Values of the methods shown, and how far the others are from the first; missing ones once per reason.
function drawValues(place, shown) {
  const [, first, at] = shown[0], keys = board().metrics.filter((key) => shown.some(([, clips, n]) => clips && clips.values[key] && !Number.isNaN(plain(clips.values[key][n]))));
  const of = ([, clips, n], key) => clips && clips.values[key] ? plain(clips.values[key][n]) : NaN;
  const signed = (value) => Number.isFinite(value) ? `${value > 0 ? "+" : ""}${formatNumber(value)}` : "–";
  const rows = keys.map((key) => make("tr", {}, make("th", { scope: "row", "data-tip": meaning(key) }, titleOf(key), metric(key).unit ? make("span", { class: "unit" }, ` ${metric(key).unit}`) : null), ...shown.flatMap((one, k) => [make("td", {}, formatNumber(of(one, key))), ...(k ? [make("td", { class: "soft" }, signed(of(one, key) - of(shown[0], key)))] : [])])));
  const head = make("tr", {}, make("th", { scope: "col" }, "Metric"), ...shown.flatMap(([name], k) => [make("th", { scope: "col" }, name), ...(k ? [make("th", { scope: "col" }, `− ${shown[0][0]}`)] : [])]));
  const reasons = new Map();
  for (const [which, key, status, reason] of first.failures) if (which === at) { const line = `${status}: ${first.reasons[reason]}`; reasons.set(line, [...(reasons.get(line) || []), titleOf(key)]); }
  place.replaceChildren(wide(make("table", { class: "numbers" }, make("caption", {}, "Values of this clip; one clip proves nothing about a method"), make("thead", {}, head), make("tbody", {}, ...rows)), "Values of this clip"),
    ...[...reasons].map(([line, titles]) => make("p", { class: "small" }, `${titles.join(", ")}: ${line}`)));
}

document.addEventListener("keydown", (event) => {
  const on = event.target.tagName, pressed = { " ": "play", ",": "back", ".": "forward", l: "landmarks" }[event.key];
  if (!player || !pressed || event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(on)) return;
  if (event.key === " " && ["BUTTON", "SUMMARY", "TD", "TH"].includes(on)) return; // which it presses
  if ($(pressed)) $(pressed).click();
  event.preventDefault();
});
