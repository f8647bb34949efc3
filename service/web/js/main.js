// Ties the page together: an image comes in, is classified, and certified.

import { inWords, showAnswer } from "./answer.js";
import { ask, Problem } from "./api.js";
import { METHODS, showCertificate } from "./certificate.js";
import { byId, element, rounded } from "./dom.js";
import { FIRST, readExample, showExamples } from "./examples.js";
import { forgetKey, rememberKey } from "./key.js";
import { fromStrokes, isMnistShape } from "./mnist.js";
import { describeModel, listModels } from "./models.js";
import { drawingPad } from "./pad.js";
import { fromBlob } from "./picture.js";
import { inverted, toCanvas, toJson } from "./pixels.js";
import * as status from "./status.js";

let model; // what the server tells about the chosen version
let image; // as the model sees it, or null
let classified; // { image, model, effort, classifier, words, classes }: what is shown
let work = new AbortController(); // of the latest image; a later one ends it

const pad = drawingPad(byId("pad"), {
  onDrawing(strokes) {
    const read = fromStrokes(strokes);
    if (read === null) forget();
    else attempt((options) => receive(read, "Your drawing, fitted and centred as MNIST’s digits were.", options));
  },
});

/** Runs one step after another; what goes wrong is shown, with a way to try again. */
async function attempt(step) {
  work.abort();
  const mine = new AbortController();
  work = mine;
  const giveUp = () => {
    mine.abort();
    status.clear();
    settle();
  };
  const options = {
    signal: mine.signal,
    onWait: (seconds, problem) => status.showWaiting(seconds, problem, giveUp),
  };
  status.clear();
  byId("key-form").hidden = true;
  document.body.classList.add("is-busy");
  try {
    await step(options);
    if (mine === work) status.clear();
  } catch (error) {
    if (error.name === "AbortError" || mine !== work) return;
    explain(error, () => attempt(step));
  } finally {
    if (mine === work) settle();
  }
}

const settle = () => document.body.classList.remove("is-busy");

function explain(error, retry) {
  if (error.status !== 401 && error.status !== 403) {
    const mayPass = error instanceof Problem && (!error.status || error.status === 429 || error.status >= 500);
    status.showProblem(error, mayPass ? retry : null);
    return;
  }
  forgetKey();
  const form = byId("key-form");
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    rememberKey(byId("key").value.trim());
    byId("key").value = "";
    retry();
  };
  status.showProblem(error);
  byId("key").focus();
}

async function start(options) {
  await listModels(byId("model"), options);
  await switchModel(options);
}

async function switchModel(options) {
  const before = model?.input_shape.join();
  model = await describeModel(byId("model").value, options);
  const { input_shape: shape, certificates, prototypes } = model;
  showExamples(byId("examples"), shape, chooseExample);
  const draws = isMnistShape(shape);
  byId("drop").classList.toggle("no-drawing", !draws);
  byId("undo").hidden = !draws;
  const size = `${shape[2]} × ${shape[1]}`;
  byId("pad-hint").textContent = draws ? "Draw a digit here" : `Drop an image here; the model sees ${size} pixels`;
  byId("classifier").value = prototypes === null ? "latent" : byId("classifier").value;
  byId("classifier").options[1].disabled = prototypes === null;
  showMethods(certificates);
  if (image && before === shape.join()) await classify(options);
  else if (draws) await openExample(FIRST, options);
  else forget();
}

function showMethods(certificates) {
  const quick = certificates.includes("finite-bank");
  const choices = certificates.map((method) => element("option", { value: method }, METHODS[method]));
  if (!quick) choices.unshift(element("option", { value: "" }, "choose one"));
  byId("method").replaceChildren(...choices);
  byId("method").value = quick ? "finite-bank" : "";
}

const chooseExample = (example) => attempt((options) => openExample(example, options));

async function openExample(example, options) {
  const { image: read } = await fromBlob(await readExample(example), model.input_shape);
  await open(read, `This is ${example.name}.`, options);
}

const chooseFile = (file) => file && attempt(async (options) => {
  const { image: read, original } = await fromBlob(file, model.input_shape);
  const [width, height] = original;
  const [, H, W] = model.input_shape;
  const fitted = width !== W || height !== H;
  const how = fitted ? ` It was ${width} × ${height} and is now ${W} × ${H}, as the model needs it.` : "";
  await open(read, `${file.name ?? "A pasted image"}.${how}`, options);
});

/** Shows an image that was not drawn in the pad, and classifies it. */
async function open(read, origin, options) {
  pad.clear();
  byId("shown").replaceChildren(toCanvas(read, "your image"));
  byId("drop").classList.add("has-image");
  await receive(read, origin, options);
}

async function receive(read, origin, options) {
  image = read;
  byId("origin").textContent = origin;
  await classify(options);
}

function forget() {
  work.abort();
  settle();
  image = null;
  status.clear();
  pad.clear();
  byId("shown").replaceChildren();
  byId("drop").classList.remove("has-image");
  byId("origin").textContent = "";
  showNothing("No image yet.");
}

function showNothing(text) {
  classified = null;
  byId("answer-body").replaceChildren(element("p", { className: "empty" }, text));
  byId("certificate").hidden = true;
  byId("brief").hidden = true;
}

const identity = () => ({ model: model.name, version: model.version });

async function classify(options) {
  const classifier = byId("classifier").value;
  const effort = classifier === "latent" ? byId("effort").value : "";
  byId("effort").disabled = classifier !== "latent";
  status.announce("Classifying …");
  const query = { ...identity(), classifier, effort: effort || null, explain: true };
  const asked = { image, model, effort, classifier };
  let answer;
  try {
    answer = await ask("/classify", { ...options, query, body: { images: [toJson(image)] } });
  } catch (error) {
    // What is shown would be the answer about another image.
    if (error.name !== "AbortError") showNothing("No answer.");
    throw error;
  }
  const words = inWords(answer.results[0]);
  classified = { ...asked, words, classes: answer.results[0].classes };
  showAnswer(byId("answer-body"), answer, asked);
  status.announce(words);
  byId("brief").textContent = `${words} ↓`;
  byId("brief").hidden = false;
  await certify(options);
}

async function certify(options) {
  const method = byId("method").value;
  const body = byId("certificate-body");
  const say = (text) => body.replaceChildren(element("p", { className: "empty" }, text));
  byId("certificate").hidden = false;
  if (!method) {
    say("How much may the image change? Choose a method; it takes some seconds.");
    return;
  }
  say("Certifying …");
  const query = { ...identity(), method, classifier: classified.classifier, bracket: true };
  try {
    const answer = await ask("/certify", { ...options, query, body: { images: [toJson(classified.image)] } });
    showCertificate(body, answer.results[0], classified);
    status.announce(`${classified.words} Certified radius ${rounded(answer.results[0].certificate.radius)}.`);
  } catch (error) {
    if (error.name !== "AbortError") say("No certificate.");
    throw error;
  }
}

const again = () => image && attempt(classify);
byId("model").addEventListener("change", () => attempt(switchModel));
byId("classifier").addEventListener("change", again);
byId("effort").addEventListener("change", again);
byId("method").addEventListener("change", () => classified && attempt(certify));
byId("clear").addEventListener("click", forget);
byId("undo").addEventListener("click", () => pad.undo());
byId("invert").addEventListener("click", () => {
  if (image) attempt((options) => open(inverted(image), "Inverted.", options));
});
byId("file").addEventListener("change", ({ target }) => {
  chooseFile(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
byId("pad").addEventListener("pointerdown", () => {
  byId("drop").classList.remove("has-image");
  byId("shown").replaceChildren();
});
document.addEventListener("paste", ({ clipboardData }) => chooseFile(clipboardData.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop").classList.add("is-target");
});
document.addEventListener("dragleave", () => byId("drop").classList.remove("is-target"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("is-target");
  chooseFile(event.dataTransfer.files[0]);
});

attempt(start);
