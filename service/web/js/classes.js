// A row for each class: its best re-creation, its posterior, and its log likelihood.

import { element, percent, rounded } from "./dom.js";

/** A table; `onChoose(index)` is called when a class is chosen to be compared with the input. */
export function classTable(result, { onChoose }) {
  const worst = Math.max(...result.classes.map((each) => -each.log_likelihood), 1e-9);
  const winner = result.prediction.index;
  const rows = result.classes.map((each) => row(each, { worst, won: each.index === winner, onChoose }));
  const noun = result.classifier === "latent" ? "Re-creation" : "Nearest prototype";
  const anyBound = result.classes.some((each) => each.upper_bound);
  return element("div", { className: "classes" },
    element("table", {},
      element("caption", { className: "visually-hidden" }, "What each class makes of the image"),
      element("thead", {}, element("tr", {},
        heading("Class"), heading(noun), heading("Posterior"), heading("Log likelihood", "the shorter the better"))),
      element("tbody", {}, ...rows)),
    anyBound ? legend() : "");
}

const legend = () => element("p", { className: "note legend" },
  element("span", { className: "swatch bound", "aria-hidden": "true" }),
  "≥: given up early, because the class could no longer win; its log likelihood may be higher.");

const heading = (text, note) =>
  element("th", { scope: "col" }, text, note ? element("small", {}, ` ${note}`) : "");

function row(each, { worst, won, onChoose }) {
  const made = element("img", { className: "pixels", alt: `what class ${each.label} makes of it`,
    src: `data:image/png;base64,${each.reconstruction}` });
  const choice = element("input", { type: "radio", name: "compared", checked: won, value: String(each.index),
    onchange: () => onChoose(each.index), "aria-label": `Compare the input with class ${each.label}` });
  const sign = each.upper_bound ? "≥ " : "";
  return element("tr", { className: won ? "won" : "" },
    element("th", { scope: "row" }, element("span", {}, each.label)),
    element("td", {}, element("label", { className: "choice" }, choice, made)),
    element("td", { className: "posterior" }, measure(each.posterior, "", percent(each.posterior))),
    element("td", { className: "likelihood" },
      measure(-each.log_likelihood / worst, each.upper_bound ? "bound" : "", sign + rounded(each.log_likelihood, 1))),
  );
}

const measure = (share, kind, text) =>
  element("div", { className: "measure" }, bar(share, kind), element("span", { className: "number" }, text));

function bar(share, kind = "") {
  const made = element("span", { className: `bar ${kind}`, "aria-hidden": "true" });
  made.style.setProperty("--share", Math.max(0, Math.min(1, share)));
  return made;
}
