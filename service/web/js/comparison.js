// The input beside the best re-creation of one class, and what is between them.

import { element, rounded } from "./dom.js";
import { fromBase64 } from "./picture.js";
import { differenceCanvas, toCanvas } from "./pixels.js";

/** `figure`, and `show(index)`, which turns it to a class. */
export function comparison(image, result) {
  const figure = element("div", { className: "comparison", id: "comparison" });
  const noun = result.classifier === "latent" ? "best re-creation" : "nearest prototype";

  async function show(index) {
    const { label, reconstruction, reconstruction_distance: distance } = result.classes[index];
    const made = await fromBase64(reconstruction, image.shape);
    figure.replaceChildren(
      tile(toCanvas(image, "the input as the model sees it"), "Input"),
      tile(toCanvas(made, `the ${noun} of class ${label}`), `${label}: ${noun}`),
      tile(differenceCanvas(image, made, `the difference of the two`), `Difference, L2 ${rounded(distance)}`),
    );
  }
  return { figure, show };
}

const tile = (canvas, caption) => element("figure", {}, canvas, element("figcaption", {}, caption));
