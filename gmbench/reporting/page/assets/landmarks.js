// Landmarks of a clip, 68 points a frame: drawn over the frame that is shown, the clip's own and those of its reference,
// and the mouth that is shown in large.
const PARTS = [[0, 17], [17, 22], [22, 27], [27, 31], [31, 36], [36, 42, true], [42, 48, true], [48, 60, true], [60, 68, true]];
const NO_FACE = -32768;

// From a file of gmbench.reporting.page.overlays to pixels: frames of 68 times x and y, null where there is no face.
function decodeLandmarks({ unit, points }) {
  const bytes = Uint8Array.from(atob(points), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer), frames = [];
  for (let at = 0; at < bytes.length; at += 272) {
    const steps = Array.from({ length: 136 }, (_, n) => view.getInt16(at + 2 * n, true));
    frames.push(steps.includes(NO_FACE) ? null : steps.map((step) => step * unit));
  }
  return frames;
}

// Files are read when they are first asked for, of a clip and of its reference.
function readLandmarks(screen) {
  const read = (file) => file ? load(file).then(decodeLandmarks) : null;
  screen.reading ||= Promise.all(screen.landmarks.map(read)).then(([own, real]) => Object.assign(screen, { own, real }), (error) => { screen.problem = error.message; });
  return screen.reading;
}

function canvasOver(frame) {
  const canvas = make("canvas", { class: "marks", "aria-hidden": "true" });
  frame.append(canvas);
  return canvas;
}

// The time of the frame on the screen, which the video's own clock runs ahead of while it plays.
function watchFrames(screen) {
  const { video } = screen;
  if (!video.requestVideoFrameCallback) return;
  const seen = (_, { mediaTime }) => { screen.shown = mediaTime; video.requestVideoFrameCallback(seen); };
  video.requestVideoFrameCallback(seen);
}

function frameShown({ video, shown }) {
  return Math.floor((!video.paused && shown !== null ? shown : video.currentTime) / FRAME + 0.01);
}

// The mouth in large: its width over the clip, or over its reference, so that all screens enlarge alike, is half of the
// screen's. The crop follows the mouth's centre as it is on
// average over a second, so that the head's motion is taken out, and what the lips do is seen.
const MOUTH = [48, 68], MOUTH_SHARE = 0.5, STEADY = 12;
const FIXED = { zoom: 4, at: "50% 72%" };
function mouthPath(frames) {
  const centres = frames.map((points) => points && [0, 1].map((side) => mean(points.slice(2 * MOUTH[0], 2 * MOUTH[1]).filter((_, n) => n % 2 === side))));
  const widths = frames.filter(Boolean).map((points) => Math.hypot(points[108] - points[96], points[109] - points[97]));
  if (!widths.length) return false;
  return { width: mean(widths), centres: centres.map((_, t) => {
    const around = centres.slice(Math.max(0, t - STEADY), t + STEADY + 1).filter(Boolean);
    return around.length ? [0, 1].map((side) => mean(around.map((centre) => centre[side]))) : null;
  }) };
}
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

const alike = (one, other) => other && one.videoWidth === other.videoWidth && one.videoHeight === other.videoHeight;

// Enlarges a screen to the mouth; about a fixed point where no landmarks are known. Gives how many times.
function showMouth(screen, reference) {
  const { video, frame, own, real } = screen, path = own && (screen.path ??= mouthPath(own));
  const { width } = (real && alike(video, reference) && (screen.realPath ??= mouthPath(real))) || path || {};
  let { zoom, at } = FIXED;
  if (path && video.videoWidth) {
    const { clientWidth: wide, clientHeight: high } = frame, scale = Math.min(wide / video.videoWidth, high / video.videoHeight);
    const centre = path.centres[Math.min(frameShown(screen), path.centres.length - 1)] || path.centres.find(Boolean);
    zoom = Math.max(1.5, MOUTH_SHARE * wide / (width * scale));
    const place = [(wide - scale * video.videoWidth) / 2 + scale * centre[0], (high - scale * video.videoHeight) / 2 + scale * centre[1]];
    // The point that an enlargement leaves where it is, so that the mouth comes to the middle.
    at = [wide, high].map((size, side) => `${100 * (zoom * place[side] - size / 2) / (zoom - 1) / size}%`).join(" ");
  }
  frame.style.setProperty("--zoom", zoom);
  frame.style.setProperty("--at", at);
  return zoom;
}

// Those of the reference only over frames of its size.
function drawLandmarks(screen, reference, zoom) {
  const { video, canvas, own, real } = screen;
  if (!video || !canvas || !own || !video.videoWidth) return;
  const sharp = zoom * (window.devicePixelRatio || 1), [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(wide * sharp);
  canvas.height = Math.round(high * sharp);
  const scale = Math.min(wide / video.videoWidth, high / video.videoHeight), pen = canvas.getContext("2d");
  pen.setTransform(sharp * scale, 0, 0, sharp * scale, sharp * (wide - scale * video.videoWidth) / 2, sharp * (high - scale * video.videoHeight) / 2);
  pen.lineWidth = 1.5 / (scale * zoom);
  const frame = frameShown(screen);
  for (const [frames, colour] of [[alike(video, reference) ? real : null, "#ffd84a"], [own, "#3fb8ff"]]) {
    const points = frames && frames[Math.min(frame, frames.length - 1)];
    if (points) drawFace(pen, points, colour);
  }
}

function drawFace(pen, points, colour) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.beginPath();
  for (const [first, last, closed] of PARTS) {
    for (let n = first; n < last; n += 1) pen[n === first ? "moveTo" : "lineTo"](points[2 * n], points[2 * n + 1]);
    if (closed) pen.lineTo(points[2 * first], points[2 * first + 1]);
  }
  pen.stroke();
  for (let n = 0; n < 68; n += 1) { pen.beginPath(); pen.arc(points[2 * n], points[2 * n + 1], 1.3 * pen.lineWidth, 0, 7); pen.fill(); }
}
