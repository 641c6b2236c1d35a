// One phone: shows a talk as its owner sees it on their platform, and lets them write, tap, reply and send.

import { icon, make } from "./elements.js";

const TROUBLE_SHOWN = 4000;
const ROOM = 12;
const PICTURES = { photo: "照片", voice: "语音", location: "位置" };

export class Phone {
  constructor(root) {
    Object.assign(this, { root, view: [], shown: new Map(), quoted: null, since: 0 });
    root.append(document.querySelector("#phone").content.cloneNode(true));
    this.talk = root.querySelector(".talk");
    root.querySelector("form").addEventListener("submit", (event) => this.submitted(event));
    document.addEventListener("click", ({ target }) => this.closeMenus(target));
    root.querySelector(".quoting button").addEventListener("click", () => this.quote(null));
  }

  /** Show another talk. `empty` stands there before the first message, `aside` in its title; `page` is an address. */
  async open({ line = null, title, about, face, aside = "", tools = [], empty = null, page = null }) {
    Object.assign(this, { line, empty, view: [] });
    this.root.dataset.kind = line?.kind ?? "web";
    for (const [part, words] of Object.entries({ ".title b": title, ".title small": about, ".face": face })) {
      this.root.querySelector(part).textContent = words;
    }
    this.root.querySelector(".aside").replaceChildren(aside);
    this.root.querySelector(".tools").replaceChildren(...tools.map((tool) => (tool.name ? this.tool(tool) : tool)));
    this.showMenu([]);
    this.showPage(page);
    this.quote(null);
    this.shown.clear();
    this.talk.replaceChildren();
    this.showEmpty();
    await this.refresh();
  }

  tool({ name, label, use }) {
    const button = make("button", { type: "button", title: label, onclick: () => use(this, button) }, icon(name), make("span", {}, label));
    return button;
  }

  showPage(address) {
    const frame = this.root.querySelector("iframe");
    frame.hidden = address === null;
    if (address !== null) frame.src = address;
  }

  // --- what is seen

  /** Fetch the talk and bring the screen up to date; a call during another one makes that one repeat. */
  async refresh() {
    if (this.refreshing) {
      this.again = true;
      return;
    }
    this.refreshing = true;
    try {
      do {
        this.again = false;
        const asked = this.line;
        const seen = await asked?.look();
        if (asked !== this.line) this.again = true;
        else if (seen) this.show(seen);
      } while (this.again);
    } finally {
      this.refreshing = false;
    }
    this.root.dispatchEvent(new Event("seen"));
  }

  show({ messages, menu = [] }) {
    this.view = messages;
    const kept = new Set(messages.map((message) => message.id));
    for (const [id, { element }] of this.shown) {
      if (!kept.has(id)) element.remove(), this.shown.delete(id);
    }
    const changed = messages.map((message) => this.put(message)).filter(Boolean);
    this.showEmpty();
    this.showMenu(menu);
    if (changed.length) this.reveal(changed.at(-1));
  }

  /** Scroll no further than needed to see it; the page itself stays where it is. */
  reveal(element) {
    const [top, bottom] = [element.offsetTop - ROOM, element.offsetTop + element.offsetHeight + ROOM];
    if (bottom > this.talk.scrollTop + this.talk.clientHeight) this.talk.scrollTop = bottom - this.talk.clientHeight;
    else if (top < this.talk.scrollTop) this.talk.scrollTop = top;
  }

  /** Draws a message that is new or has changed; returns its element, or null if all is as it was. */
  put(message) {
    const written = JSON.stringify(message);
    const known = this.shown.get(message.id);
    if (known?.written === written) return null;
    const element = this.draw(message);
    if (known) {
      if (message.edited) element.classList.add("changed");
      known.element.replaceWith(element);
    } else this.talk.append(element);
    this.shown.set(message.id, { element, written });
    return element;
  }

  draw(message) {
    if (message.kind === "service") return make("li", { className: "note" }, message.text);
    const bubble = make("div", { className: "bubble" }, ...this.content(message));
    const item = make("li", { className: message.is_me ? "mine" : "theirs" }, make("div", { className: "row" }, bubble, this.answer(message)));
    if (message.kind === "card") item.classList.add("card");
    item.append(...message.buttons.filter((row) => row.length).map((row) => this.buttons(message, row)));
    return item;
  }

  /** Only Telegram lets people reply to one message. */
  answer(message) {
    if (this.line.kind !== "telegram") return null;
    const again = make("button", { type: "button", className: "answer", title: "回复这一条", onclick: () => this.quote(message) }, icon("reply"));
    again.setAttribute("aria-label", "回复这一条");
    return again;
  }

  content(message) {
    const sender = this.line.group && !message.is_me ? make("b", { className: "sender" }, message.from) : null;
    const asked = this.view.find((one) => one.id === message.reply_to);
    const quote = asked ? make("q", {}, firstLine(asked)) : null;
    const picture = message.photo ? make("img", { src: message.photo, alt: "照片" }) : null;
    const place = message.kind === "location" ? make("span", { className: "place" }, icon("place"), "位置") : null;
    const voice = message.kind === "voice" ? make("span", { className: "place" }, icon("voice"), "语音") : null;
    const text = message.text ? make("span", { className: "text", innerHTML: message.kind === "card" ? titled(message.html) : message.html }) : null;
    const when = make("small", {}, (message.edited ? "已更新 " : "") + this.time(message.date));
    return [sender, quote, picture, place, voice, text, when].filter(Boolean);
  }

  time(seconds) {
    return new Intl.DateTimeFormat("zh-CN", { timeZone: Phone.zone, hour: "2-digit", minute: "2-digit", hour12: false }).format(seconds * 1000);
  }

  buttons(message, labels) {
    const made = labels.map((label) =>
      make("button", { type: "button", disabled: Boolean(message.disabled), onclick: () => this.tap({ label, message: message.id }) }, label));
    return make("div", { className: "buttons" }, ...made);
  }

  showEmpty() {
    if (!this.empty) return;
    if (this.view.length) this.empty.remove();
    else this.talk.append(this.empty);
  }

  /** A service account's buttons under the talk; one with more buttons opens them. */
  showMenu(menu) {
    const bar = this.root.querySelector(".menu");
    const written = JSON.stringify(menu);
    if (bar.dataset.written === written) return;
    bar.dataset.written = written;
    bar.replaceChildren(...menu.map((button) => (button.sub_button?.length ? this.submenu(button) : this.menuButton(button))));
  }

  closeMenus(target) {
    for (const menu of this.root.querySelectorAll(".menu [open]")) menu.open = menu.firstElementChild.contains(target);
  }

  menuButton({ name }) {
    const click = async () => {
      const done = await this.does("click", { label: name });
      if (done?.url) window.open(done.url);
    };
    return make("button", { type: "button", onclick: click }, name);
  }

  submenu({ name, sub_button: more }) {
    const details = make("details", {}, make("summary", {}, name));
    details.append(make("div", {}, ...more.map((one) => this.menuButton(one))));
    return details;
  }

  // --- what is done

  async does(what, more = {}) {
    try {
      return await this.line.act(what, more);
    } catch (error) {
      this.complain(error.message);
      return null;
    }
  }

  async tap({ label, message: id }) {
    const message = this.view.find((one) => one.id === id);
    for (const button of this.shown.get(id)?.element.querySelectorAll(".buttons button") ?? []) {
      button.classList.toggle("pressed", button.textContent === label);
    }
    const pressed = this.line.kind === "telegram" ? { label, message: id, wait: 5 } : { label, message };
    const tapped = await this.does("tap", pressed);
    if (tapped?.answer?.text) this.complain(tapped.answer.text);
    this.unpress();
  }

  unpress() {
    for (const button of this.talk.querySelectorAll(".pressed")) button.classList.remove("pressed");
  }

  async say(text, more = {}) {
    await this.does("text", { text, ...more });
  }

  async submitted(event) {
    event.preventDefault();
    const field = event.target.elements.text;
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    const more = this.quoted ? { reply_to: this.quoted.id } : {};
    this.quote(null);
    await this.say(text, more);
  }

  /** Put words into the field, for the person to go on. */
  begin(words) {
    const field = this.root.querySelector("form > input");
    field.value = words;
    field.focus();
  }

  quote(message) {
    this.quoted = message;
    const line = this.root.querySelector(".quoting");
    line.hidden = message === null;
    if (message === null) return;
    line.firstElementChild.textContent = `回复：${firstLine(message)}`;
    this.root.querySelector("form > input").focus();
  }

  complain(words) {
    const line = this.root.querySelector(".trouble");
    line.textContent = words;
    line.hidden = false;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => (line.hidden = true), TROUBLE_SHOWN);
  }

  // --- for the story: what can be found among the messages since `mark`

  mark() {
    this.since = this.view.at(-1)?.id ?? 0;
  }

  get recent() {
    return this.view.filter((message) => message.id > this.since && !message.is_me);
  }

  /** The newest button of somebody else's whose label begins with these words: {label, message}. */
  find(words) {
    for (const message of this.recent.reverse()) {
      const label = message.disabled ? null : message.buttons.flat().find((one) => one.replace(/^\d+ /, "").startsWith(words));
      if (label) return { label, message: message.id };
    }
    return null;
  }

  async press(words) {
    await this.tap(this.find(words));
  }

  sees(words) {
    return this.recent.findLast((message) => message.text.includes(words));
  }
}

const titled = (html) => html.replace(/^.*/, "<b>$&</b>");
const firstLine = (message) => (message.text || PICTURES[message.kind] || "").split("\n")[0].slice(0, 40);
