// The sandbox's control interface and the demonstration itself, over HTTP. Nothing here knows the page.

export async function ask(path, body) {
  const options = body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error ?? answer.statusText);
  return content;
}

export const clock = () => ask("/control/clock");
export const forward = (seconds) => ask("/control/clock", { advance_seconds: seconds });
/** Staff take these phones into use: {member, group}, each "telegram" or "wecom". */
export const takeIntoUse = (phones) => ask("/demo/phones", phones);
export const state = () => ask("/demo/state");
export const trace = () => ask("/demo/trace");

/** Calls `changed` with the ids of talks in which something is new, and with null when anything may be. */
export function watch(changed) {
  const events = new EventSource("/control/events");
  events.onopen = () => changed(null);
  events.onmessage = (event) => changed(new Set(JSON.parse(event.data).map((one) => one.chat)));
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
