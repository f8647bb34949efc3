// The line from no change to a change that fools the classifier, and a slider on it.

import { element, rounded } from "./dom.js";

/**
 * `box`, to be shown; `size()`, where the slider stands. It begins at the radius.
 * `onSize(size)` is called when it moves.
 */
export function bracket(certificate, { onSize }) {
  const { radius, attack_upper_bound: attack, sound } = certificate;
  const sure = certificate.confidence === null ? "" : `, with ${confidence(certificate)} confidence`;
  const end = 1.35 * Math.max(radius, attack ?? 1.4 * radius);
  const slider = element("input", { type: "range", id: "size", min: "0", max: String(end), step: "any",
    value: String(radius), "aria-label": "Size of the change, L2" });
  const said = element("p", { className: "size-note", id: "size-note" });
  const box = element("div", { className: "bracket" },
    element("div", { className: "zones" },
      zone(sound ? "proven" : "likely", radius / end, sound ? "cannot change" : "should not change"),
      zone("unknown", ((attack ?? end) - radius) / end, attack === null ? "nothing found" : "unknown"),
      attack === null ? "" : zone("broken", (end - attack) / end, "can change"),
      slider),
    element("div", { className: "ticks" }, tick(radius / end, `radius ${rounded(radius, 3)}`, "radius-tick"),
      attack === null ? "" : tick(attack / end, `attack ${rounded(attack, 3)}`, "attack-tick")),
    said);

  // Sliders round what they are given; the radius stays what it is until somebody moves it.
  let size = radius;
  const tell = () => {
    said.textContent = meaning(size, { radius, attack, sound, sure });
    slider.setAttribute("aria-valuetext", said.textContent);
    onSize(size);
  };
  slider.addEventListener("input", () => {
    size = Number(slider.value);
    tell();
  });
  return { box, tell };
}

function meaning(size, { radius, attack, sound, sure }) {
  const shown = `Size ${rounded(size, 3)}: `;
  if (size === radius) return `${shown}the radius itself.`;
  if (size < radius) return `${shown}no change of this size ${sound ? "alters" : "should alter"} the answer${sure}.`;
  if (attack === null || size < attack) return `${shown}nothing is known; no attack of this size was found.`;
  return `${shown}an attack no larger than this alters the answer. Most other changes still do not.`;
}

/** How sure a randomised certificate is, in per cent. */
export const confidence = ({ confidence: share }) => `${Number((100 * share).toPrecision(6))} %`;

function zone(kind, share, text) {
  const made = element("span", { className: `zone ${kind}` }, element("span", {}, text));
  made.style.flexGrow = String(Math.max(share, 0));
  return made;
}

function tick(share, text, id) {
  const made = element("span", { className: "tick", id }, text);
  made.style.setProperty("--share", share);
  return made;
}
