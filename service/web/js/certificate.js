// A certificate in words and on a line, and what changes of its size look like on this image.

import { bracket, confidence } from "./bracket.js";
import { element, rounded } from "./dom.js";
import { neighbours } from "./neighbours.js";

export const METHODS = {
  "finite-bank": "nearest prototype (proof)",
  smoothing: "randomised smoothing",
  "exact-inference": "exact inference (no proof)",
};

/** Draws a result of /certify into `body`. `asked` is { image, classes, model }: the image and what /classify said. */
export function showCertificate(body, result, asked) {
  const { certificate } = result;
  const parts = [element("p", { className: "promise", id: "promise" }, ...promise(result, asked))];
  if (certificate.radius > 0) {
    const near = neighbours(result, asked);
    const line = bracket(certificate, { onSize: near.show });
    line.tell();
    parts.push(line.box, near.box);
  } else if (certificate.attack_upper_bound !== null) {
    const size = rounded(certificate.attack_upper_bound);
    parts.push(element("p", {}, `An attack altered the certified classifier’s answer by a change of L2 size ${size}.`));
  }
  parts.push(element("p", { className: "note" }, ...remarks(result)));
  body.replaceChildren(...parts);
}

const OWNERS = {
  "finite-bank": "the nearest prototype’s answer",
  "smoothed finite-bank": "the nearest prototype’s answer under noise",
  "smoothed latent": "latent inference’s answer under noise",
  "exact-inference": "the answer of latent inference, carried to its optimum,",
};

function promise({ certificate, prediction }) {
  const certified = certificate.radius > 0;
  const radius = element("strong", { className: certified ? "radius" : "radius none" }, rounded(certificate.radius));
  if (!certified) {
    const reason = certificate.reason ?? "another class could win here already";
    return [radius, element("span", {}, `Nothing is certified: ${reason}.`)];
  }
  const change = "change the pixels in any way, by less than this (L2), and";
  const stays = `${OWNERS[certificate.classifier] ?? certificate.classifier} stays ${prediction.label}`;
  const words = {
    "finite-bank": `Proven: ${change} ${stays}.`,
    smoothing: `With ${confidence(certificate)} confidence: ${change} ${stays}.`,
    "exact-inference": `No proof: ${change} ${stays}, if ${certificate.assumption}.`,
  };
  return [radius, element("span", {}, words[certificate.kind])];
}

function remarks({ certificate, served_classifier: served, rivals, cached }) {
  const said = [];
  if (certificate.radius > 0) {
    if (certificate.classifier === "finite-bank" && served === "latent") {
      said.push("Latent inference, which decided above, agrees; to certify the answer itself, let the nearest prototype ");
      said.push("decide. ");
    }
    if (rivals.length) said.push(`The nearest rival is ${rivals[0].label}. `);
    if (certificate.attack_upper_bound !== null) {
      said.push("The attack’s is the smallest change that a short search found to alter that answer; the truth lies ");
      said.push("between. ");
    }
  }
  if (certificate.seed !== null) said.push(`The noise has the seed ${certificate.seed}. `);
  if (cached) said.push("From the cache.");
  return said;
}
