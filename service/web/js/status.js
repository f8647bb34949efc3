// What is going on, in words: for eyes, and for screen readers by one live region.

import { byId, element } from "./dom.js";

const live = byId("live");
const problemBox = byId("problem");
const waitingBox = byId("waiting");

/** Said to screen readers when they have a moment. */
export const announce = (text) => { live.textContent = text; };

export function clear() {
  problemBox.hidden = waitingBox.hidden = true;
  problemBox.replaceChildren();
}

/** An error, with a button that tries again where that can help. */
export function showProblem(error, retry) {
  clear();
  problemBox.append(
    element("h2", {}, error.title ?? "That did not work"),
    element("p", {}, error.message),
    error.requestId ? element("p", { className: "note" }, "Request ", element("code", {}, error.requestId)) : "",
    retry ? element("button", { type: "button", onclick: retry }, "Try again") : "",
  );
  problemBox.hidden = false;
  problemBox.scrollIntoView({ block: "nearest" });
}

/** A countdown until the server wants to be asked again. */
export function showWaiting(seconds, problem, giveUp) {
  if (waitingBox.hidden) {
    announce(`${problem.title}. Trying again in ${seconds} seconds.`);
    waitingBox.replaceChildren(
      element("h2", {}, problem.title),
      element("p", {}, problem.message),
      element("p", { className: "countdown" }),
      element("button", { type: "button", onclick: giveUp }, "Give up"),
    );
    waitingBox.hidden = false;
    waitingBox.scrollIntoView({ block: "nearest" });
  }
  waitingBox.querySelector(".countdown").textContent = `Trying again in ${seconds} s.`;
}
