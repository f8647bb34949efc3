// Images to begin with; they are MNIST's size, so that only models of that size have examples.

import { element } from "./dom.js";
import { isMnistShape } from "./mnist.js";

const EXAMPLES = [
  ...Array.from({ length: 10 }, (_, digit) => ({ file: `mnist-${digit}.png`, name: `a ${digit} of MNIST` })),
  { file: "ankle-boot.png", name: "an ankle boot of Fashion-MNIST" },
];

export const FIRST = EXAMPLES[7];

/** A button for each; `onChoose(example)` is called with { file, name }. */
export function showExamples(list, shape, onChoose) {
  const fitting = isMnistShape(shape) ? EXAMPLES : [];
  list.replaceChildren(...fitting.map((example) => {
    const picture = element("img", { src: `/web/examples/${example.file}`, alt: example.name, className: "pixels" });
    return element("li", {}, element("button", { type: "button", onclick: () => onChoose(example) }, picture));
  }));
  list.hidden = fitting.length === 0;
  document.getElementById("examples-title").hidden = fitting.length === 0;
}

export async function readExample({ file }) {
  return (await fetch(`/web/examples/${file}`)).blob();
}
