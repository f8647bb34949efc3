// Where a digit is drawn, by mouse, finger or pen.

import { trace } from "./mnist.js";

const SIDE = 280;
const PEN = 22;
const PAUSE_MS = 450; // a 4 or a 5 has two strokes

/** Calls `onDrawing(strokes)` when the drawing has rested for a moment, and with [] when it is gone. */
export function drawingPad(canvas, { onDrawing }) {
  let strokes = [];
  let pending;
  const context = canvas.getContext("2d");
  Object.assign(canvas, { width: SIDE, height: SIDE });

  function paint() {
    context.clearRect(0, 0, SIDE, SIDE);
    trace(context, strokes, PEN);
    canvas.parentElement.classList.toggle("is-empty", strokes.length === 0);
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  function changed(after) {
    clearTimeout(pending);
    pending = setTimeout(() => onDrawing(strokes), after);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    clearTimeout(pending);
    canvas.setPointerCapture(event.pointerId);
    strokes.push([at(event)]);
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1).push(...(moves.length ? moves : [event]).map(at));
    paint();
  });
  const lifted = (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) canvas.releasePointerCapture(event.pointerId);
    if (strokes.length) changed(PAUSE_MS);
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  paint();

  const replace = (next) => {
    clearTimeout(pending);
    strokes = next;
    paint();
  };
  return {
    /** Empties the pad and says nothing: another image has taken its place. */
    clear: () => replace([]),
    undo: () => {
      if (strokes.length === 0) return;
      replace(strokes.slice(0, -1));
      onDrawing(strokes);
    },
  };
}
