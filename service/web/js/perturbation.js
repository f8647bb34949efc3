// Changes of an exact L2 size that leave every pixel in [0, 1].

import { distance, withData } from "./pixels.js";

/** A direction of independent Gaussian pixels; the same for the same seed. */
export function randomDirection(image, seed) {
  const random = mulberry32(seed);
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return image.data.map(gaussian);
}

export const directionTo = (image, target) => target.data.map((value, i) => value - image.data[i]);

/**
 * The image at L2 distance `size` from `image` along `direction`, each pixel kept in [0, 1].
 *
 * Clipping shortens a step, so the step is lengthened until what is left of it has the size. null where the corner that
 * the direction leads to is nearer than that.
 */
export function moved(image, direction, size) {
  const step = (t) => withData(image, image.data.map((value, i) => Math.min(1, Math.max(0, value + t * direction[i]))));
  let [low, high] = [0, 1];
  while (distance(image, step(high)) < size) {
    high *= 2;
    if (high > 1e9) return null;
  }
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (distance(image, step(middle)) < size) low = middle;
    else high = middle;
  }
  // Not a rounding error beyond it.
  return step(low);
}

// A small public-domain generator (Tommy Ettinger's): pictures that stay the same when the page is drawn again.
function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
