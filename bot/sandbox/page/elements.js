// Helpers to write elements down where they are used.

/** make("p", {className: "x"}, "text", child): an element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

let choices = 0;

/** One of a few, side by side; `options` are [value, words]. The element's `choose` marks one without picking it. */
export function choice(label, options, pick) {
  const name = `choice-${++choices}`;
  const radios = options.map(([value]) => make("input", { type: "radio", name, value, onchange: () => pick(value) }));
  const element = make("span", { className: "choice" }, ...options.map(([, words], at) => make("label", {}, radios[at], make("span", {}, words))));
  element.setAttribute("role", "radiogroup");
  element.setAttribute("aria-label", label);
  element.choose = (value) => radios.forEach((radio) => (radio.checked = radio.value === value));
  return element;
}
