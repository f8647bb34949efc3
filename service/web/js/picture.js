// A picture from a file, the clipboard or a re-creation's PNG, as an image of the model's size.

import { fromContext } from "./pixels.js";

/** Fits a Blob's picture into the shape, on black, without distorting it; one of exactly that size stays as it is. */
export async function fromBlob(blob, shape) {
  let bitmap;
  try {
    // The numbers as they are in the file, as the server's decoder takes them, too.
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch {
    const name = blob.name ?? "This";
    throw new Error(`“${name}” is no picture that this browser can read. Choose a PNG, JPEG or WebP file.`);
  }
  const [, height, width] = shape;
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  const source = reduced(bitmap, scale);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  context.drawImage(source, (width - w) / 2, (height - h) / 2, w, h);
  const original = [bitmap.width, bitmap.height];
  bitmap.close();
  return { image: fromContext(context, shape), original };
}

// Browsers interpolate between few pixels: a large picture is halved until no more than half of it is left out.
function reduced(bitmap, scale) {
  let source = bitmap;
  for (let left = scale; left < 0.5; left *= 2) {
    const half = new OffscreenCanvas(Math.max(1, source.width / 2), Math.max(1, source.height / 2));
    half.getContext("2d").drawImage(source, 0, 0, half.width, half.height);
    source = half;
  }
  return source;
}

/** A re-creation, a PNG as base64, as an image. */
export async function fromBase64(png, shape) {
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  return (await fromBlob(new Blob([bytes], { type: "image/png" }), shape)).image;
}
