// The answer about one image: who it is, whether it is like the training data, and what each class made of it.

import { classTable } from "./classes.js";
import { comparison } from "./comparison.js";
import { element, percent, rounded } from "./dom.js";

const CLASSIFIERS = { latent: "latent inference", "finite-bank": "the nearest prototype" };

/** Draws the answer of /classify into `body`. `asked` is { image, model, effort }. */
export function showAnswer(body, answer, asked) {
  const result = answer.results[0];
  const compared = comparison(asked.image, result);
  compared.show(result.prediction.index);
  body.replaceChildren(
    element("div", { className: "verdict" }, prediction(result), typicality(result, asked.model)),
    compared.figure,
    classTable(result, { onChoose: (index) => compared.show(index) }),
    element("p", { className: "note" }, provenance(answer, asked)),
  );
}

/** The answer in a sentence. */
export function inWords(result) {
  const { label } = result.prediction;
  return result.out_of_distribution
    ? `Nearest class: ${label}. But the image is out of distribution.`
    : `${label}, posterior ${percent(posteriorOf(result))}.`;
}

const posteriorOf = (result) => result.classes[result.prediction.index].posterior;

function prediction(result) {
  const { label } = result.prediction;
  return element("div", { className: result.out_of_distribution ? "prediction doubtful" : "prediction" },
    element("p", { className: "caption" }, result.out_of_distribution ? "Nearest class" : "Prediction"),
    element("p", { className: label.length > 3 ? "label long" : "label", id: "prediction" }, label),
    element("p", { className: "caption" }, `posterior ${percent(posteriorOf(result))}`),
  );
}

function typicality(result, model) {
  const outside = result.out_of_distribution;
  const threshold = result.classifier === "latent" ? model.reject_below : model.prototype_reject_below;
  const shown = rounded(result.typicality, result.typicality < 0.1 ? 3 : 2);
  const share = (100 * result.typicality).toFixed(result.typicality < 0.1 ? 1 : 0);
  const bar = element("div", { className: "typicality-bar", role: "img",
    "aria-label": `typicality ${shown} of 1, threshold ${threshold}` });
  bar.style.setProperty("--share", result.typicality);
  bar.style.setProperty("--threshold", threshold);
  return element("div", { className: "typicality" },
    element("p", { className: outside ? "chip bad" : "chip good", id: "verdict" },
      outside ? "▲ Out of distribution" : "✓ In distribution"),
    bar,
    element("p", {}, element("strong", {}, `Typicality ${shown}. `),
      `The image fits its class at least as well as ${share} % of true images of the class do. `,
      outside
        ? `That is below the model’s threshold of ${threshold}: it is unlike what the model was trained on, and the ` +
          "answer means little."
        : `Below ${threshold} it would count as out of distribution.`),
  );
}

function provenance(answer, { effort, model }) {
  const result = answer.results[0];
  const how = result.classifier === "latent" ? `, effort ${effort || model.default_effort}` : "";
  const when = result.cached ? "from the cache" : `in ${Math.round(answer.timing_ms.inference)} ms on ${model.device}`;
  return `${answer.model.name} version ${answer.model.version}, ${CLASSIFIERS[result.classifier]}${how}, ${when}.`;
}
