// Landmarks drawn over a clip: 68 points of the frame that is shown, the clip's own and those of its reference.
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

function marksOver(frame) {
  const canvas = make("canvas", { class: "marks", "aria-hidden": "true" });
  frame.append(canvas);
  return { canvas, own: null, real: null };
}

// The time of the frame on the screen, which the video's own clock runs ahead of while it plays.
function watchFrames(screen) {
  const { video } = screen;
  if (!video.requestVideoFrameCallback) return;
  const seen = (_, { mediaTime }) => { screen.shown = mediaTime; video.requestVideoFrameCallback(seen); };
  video.requestVideoFrameCallback(seen);
}

// Those of the reference only over frames of its size.
function drawLandmarks(screen, reference, zoom) {
  const { video, marks } = screen;
  if (!video || !marks || !marks.own || !video.videoWidth) return;
  const { canvas } = marks, sharp = zoom * (window.devicePixelRatio || 1), [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(wide * sharp);
  canvas.height = Math.round(high * sharp);
  const scale = Math.min(wide / video.videoWidth, high / video.videoHeight), pen = canvas.getContext("2d");
  pen.setTransform(sharp * scale, 0, 0, sharp * scale, sharp * (wide - scale * video.videoWidth) / 2, sharp * (high - scale * video.videoHeight) / 2);
  pen.lineWidth = 1.5 / (scale * zoom);
  const time = !video.paused && screen.shown !== null ? screen.shown : video.currentTime, frame = Math.floor(time / FRAME + 0.01);
  const alike = reference && reference.videoWidth === video.videoWidth && reference.videoHeight === video.videoHeight;
  for (const [frames, colour] of [[alike ? marks.real : null, "#ffd84a"], [marks.own, "#3fb8ff"]]) {
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
