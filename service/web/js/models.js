// The models that the server has in memory, and the switch between them.

import { ask } from "./api.js";
import { element } from "./dom.js";

/** Fills the select with every loaded version, the server's default first; the value is "name/version". */
export async function listModels(select, options) {
  const { models } = await ask("/models", options);
  const sorted = models.toSorted((a, b) => Number(b.default) - Number(a.default));
  select.replaceChildren(...sorted.flatMap((model) => model.loaded.map((version) => optionOf(model, version))));
  if (!select.options.length) throw new Error("The server has no model in memory.");
}

function optionOf(model, version) {
  const aliases = Object.keys(model.aliases).filter((alias) => model.aliases[alias] === version);
  const text = `${model.name}, version ${version}${aliases.length ? ` (${aliases.join(", ")})` : ""}`;
  return element("option", { value: `${model.name}/${version}` }, text);
}

/** What the server tells about a version: its classes, input shape, certificates, thresholds. */
export async function describeModel(value, options) {
  const [name, version] = value.split("/");
  const { details } = await ask(`/models/${name}`, options);
  const found = details.find((each) => each.version === version);
  if (!found) throw new Error(`Version ${version} of ${name} is no longer in memory. Reload the page.`);
  return { name, ...found };
}
