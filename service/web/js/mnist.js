// Strokes as a digit of MNIST: fitted into a 20 x 20 box, antialiased, and its centre of mass in the middle of 28 x 28
// (http://yann.lecun.com/exdb/mnist). Strokes are lists of [x, y]; their width is that of MNIST's pens, whatever the
// size that somebody draws in.

import { black } from "./pixels.js";

const SIZE = 28;
const BOX = 20;
const PEN = 2.6;
const FINER = 8; // each pixel is the mean of 8 x 8 finer ones

export const isMnistShape = ([channels, height, width]) => channels === 1 && height === SIZE && width === SIZE;

/** The image (1, 28, 28) of strokes; null if there are none. */
export function fromStrokes(strokes) {
  const points = strokes.flat();
  if (points.length === 0) return null;
  const [left, right] = extent(points.map(([x]) => x));
  const [top, bottom] = extent(points.map(([, y]) => y));
  // A dot has no extent, and stays a dot.
  const scale = Math.min((BOX - PEN) / Math.max(right - left, bottom - top, 1e-3), 1e3);
  const middle = [(left + right) / 2, (top + bottom) / 2];
  const at = ([x, y], [dx, dy]) => [(x - middle[0]) * scale + SIZE / 2 + dx, (y - middle[1]) * scale + SIZE / 2 + dy];
  const render = (shift) => inked(strokes.map((stroke) => stroke.map((point) => at(point, shift))));
  return render(towardsTheMiddle(render([0, 0])));
}

/** How far an image of one channel must move for its centre of mass to be in the middle, in pixels [x, y]. */
function towardsTheMiddle(image) {
  const [, height, width] = image.shape;
  let [mass, x, y] = [0, 0, 0];
  image.data.forEach((ink, i) => {
    mass += ink;
    x += ink * ((i % width) + 0.5);
    y += ink * (Math.floor(i / width) + 0.5);
  });
  return mass === 0 ? [0, 0] : [width / 2 - x / mass, height / 2 - y / mass];
}

const extent = (values) => [Math.min(...values), Math.max(...values)];

function inked(strokes) {
  const canvas = new OffscreenCanvas(SIZE * FINER, SIZE * FINER);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.scale(FINER, FINER);
  trace(context, strokes, PEN);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const image = black([1, SIZE, SIZE]);
  for (let i = 0; i < canvas.width * canvas.height; i++) {
    const [x, y] = [i % canvas.width, Math.floor(i / canvas.width)];
    image.data[Math.floor(y / FINER) * SIZE + Math.floor(x / FINER)] += data[4 * i + 3] / 255 / FINER ** 2;
  }
  image.data.forEach((ink, i) => { image.data[i] = Math.min(1, ink); });
  return image;
}

/** Draws strokes with a round pen. */
export function trace(context, strokes, pen, colour = "white") {
  Object.assign(context, { lineWidth: pen, lineCap: "round", lineJoin: "round", strokeStyle: colour });
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    for (const point of stroke) context.lineTo(...point);
    context.stroke();
  }
}
