// Images as models see them: { shape: [C, H, W], data: Float32Array of C·H·W numbers in [0, 1] }.

export const black = (shape) => ({ shape, data: new Float32Array(shape[0] * shape[1] * shape[2]) });

export const withData = (image, data) => ({ shape: image.shape, data });

/** The L2 distance of two images of one shape. */
export function distance(a, b) {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i] - b.data[i]) ** 2;
  return Math.sqrt(sum);
}

export const inverted = (image) => withData(image, image.data.map((value) => 1 - value));

/** What the server takes: numbers of exactly these pixels, nested as (C, H, W). */
export function toJson(image) {
  const [channels, height, width] = image.shape;
  const row = (start) => Array.from(image.data.subarray(start, start + width));
  const plane = (c) => Array.from({ length: height }, (_, y) => row((c * height + y) * width));
  return { pixels: Array.from({ length: channels }, (_, c) => plane(c)) };
}

/** A canvas of the image's own size; the style sheet enlarges it. */
export function toCanvas(image, label) {
  return canvasOf(image.shape, label, (c, i, pixels) => image.data[c * pixels + i] * 255);
}

/** What `after` has more than `before` in red, and what it has less in blue, on grey. */
export function differenceCanvas(before, after, label) {
  const channels = before.shape[0];
  return canvasOf(before.shape, label, (c, i, pixels) => {
    let change = 0;
    for (let k = 0; k < channels; k++) change += (after.data[k * pixels + i] - before.data[k * pixels + i]) / channels;
    const [r, g, b] = change > 0 ? [255, 70, 60] : [50, 120, 255];
    const strength = Math.min(1, Math.abs(change)) ** 0.6; // faint ones are to be seen, too
    return 40 + strength * ([r, g, b][c] - 40);
  }, 3);
}

function canvasOf(shape, label, valueAt, channels = shape[0]) {
  const [, height, width] = shape;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height, className: "pixels" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(valueAt(channels === 1 ? 0 : c, i, width * height));
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** What was drawn on a 2D context of the shape's size; colours become grey as Pillow makes them. */
export function fromContext(context, shape) {
  const [channels, height, width] = shape;
  const { data } = context.getImageData(0, 0, width, height);
  const image = black(shape);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 1) image.data[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b) / 255;
    else [r, g, b].forEach((value, c) => { image.data[c * width * height + i] = value / 255; });
  }
  return image;
}
