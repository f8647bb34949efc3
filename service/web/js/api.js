// Requests to the server that the page came from.

import { apiKey } from "./key.js";

const MAX_WAITS = 5;

/** What the server said no with: `title`, `detail`, `status`, `requestId`. */
export class Problem extends Error {
  constructor({ title, detail, status, request_id: requestId }) {
    super(detail);
    Object.assign(this, { title, detail, status, requestId });
  }
}

/**
 * GET of a path, or POST of a `body` as JSON. A server that says when to come again (429, 503) is asked again then.
 *
 * `signal` gives up; `onWait(seconds, problem)` is told of every second of waiting.
 * Throws a Problem, or an AbortError.
 */
export async function ask(path, { query = {}, body, signal, onWait = () => {} } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.set(name, value);
  }
  for (let waits = 0; ; waits++) {
    const answer = await send(url, body, signal);
    if (answer.ok) return answer.json();
    const problem = await problemOf(answer);
    const seconds = Number(answer.headers.get("Retry-After"));
    if (![429, 503].includes(answer.status) || !(seconds > 0) || waits === MAX_WAITS) throw problem;
    for (let left = seconds; left > 0; left--) {
      onWait(left, problem);
      await pause(1000, signal);
    }
  }
}

async function send(url, body, signal) {
  const headers = {};
  if (apiKey()) headers.Authorization = `Bearer ${apiKey()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return await fetch(url, { method: body === undefined ? "GET" : "POST", headers, body: text, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The server does not answer", detail: "Is it still running, and are you connected?" });
  }
}

async function problemOf(answer) {
  try {
    return new Problem(await answer.json());
  } catch {
    const { status, statusText } = answer;
    return new Problem({ title: `The server answered ${status}`, detail: statusText, status });
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("given up", "AbortError"));
    }, { once: true });
  });
}
