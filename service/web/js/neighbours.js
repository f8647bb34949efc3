// Images at one L2 distance of the input: in random directions, and towards the nearest rival's re-creation.

import { ask } from "./api.js";
import { element } from "./dom.js";
import { directionTo, moved, randomDirection } from "./perturbation.js";
import { fromBase64 } from "./picture.js";
import { toCanvas, toJson } from "./pixels.js";

const RANDOM = 4;
// Who answers for the certified classifier; a smoothed one would need another thousand samples for each.
const CHECKED_BY = { "finite-bank": { classifier: "finite-bank" }, "exact-inference": { effort: "thorough" } };

/** `box`, and `show(size)`, which moves the neighbours to that distance. */
export function neighbours(result, { image, classes, model }) {
  const tiles = element("div", { className: "neighbours", id: "neighbours" });
  const check = element("button", { type: "button", id: "check" }, "Ask the server about these");
  const rival = rivalOf(result, classes);
  const seeds = Array.from({ length: RANDOM }, (_, i) => i + 1);
  const directions = seeds.map((seed) => ({ name: "at random", direction: randomDirection(image, seed) }));
  let shown = [];

  const towardsRival = fromBase64(rival.reconstruction, image.shape).then((made) => {
    directions.push({ name: `towards ${rival.label}`, direction: directionTo(image, made) });
  });

  async function show(size) {
    await towardsRival;
    const found = directions.map(({ name, direction }) => ({ name, image: moved(image, direction, size) }));
    shown = found.filter((each) => each.image !== null);
    tiles.replaceChildren(...shown.map(({ name, image: near }) => element("figure", {},
      toCanvas(near, `the image changed ${name} by L2 ${size.toFixed(2)}`),
      element("figcaption", {}, element("span", {}, name), element("output", {})))));
    check.disabled = false;
  }

  check.addEventListener("click", async () => {
    check.disabled = true;
    const outputs = tiles.querySelectorAll("output");
    try {
      const query = { model: model.name, version: model.version, ...CHECKED_BY[result.certificate.kind] };
      const onWait = (seconds) => { outputs[0].textContent = `busy: again in ${seconds} s`; };
      const answer = await ask("/classify", { query, onWait, body: { images: shown.map((each) => toJson(each.image)) } });
      answer.results.forEach(({ prediction }, i) => {
        const stays = prediction.index === result.prediction.index;
        outputs[i].textContent = stays ? `✓ still ${prediction.label}` : `✗ now ${prediction.label}`;
        outputs[i].className = stays ? "good" : "bad";
      });
    } catch (error) {
      outputs.forEach((output) => { output.textContent = ""; });
      outputs[0].textContent = error.message;
      check.disabled = false;
    }
  });

  const title = element("h3", {}, "Changes of this size, on this image");
  const box = element("div", {}, title, tiles, CHECKED_BY[result.certificate.kind] ? check : "");
  return { box, show };
}

function rivalOf({ prediction, rivals }, classes) {
  if (rivals.length) return classes[rivals[0].index];
  const others = classes.filter((each) => each.index !== prediction.index);
  return others.reduce((best, each) => (each.log_likelihood > best.log_likelihood ? each : best));
}
