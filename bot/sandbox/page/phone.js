// One phone: shows a chat as its owner sees it, and lets them write, tap, reply and send.

import { act, look } from "./control.js";
import { icon, make } from "./elements.js";

const TROUBLE_SHOWN = 4000;
const ROOM = 12;

export class Phone {
  /** `chat` is a group's id, or null for the private chat with the bot. */
  constructor(root, { user, chat = null, title, about, face, tools = [], empty = null }) {
    Object.assign(this, { root, user, chat, empty, view: [], shown: new Map(), quoted: null, since: 0 });
    root.append(document.querySelector("#phone").content.cloneNode(true));
    this.talk = root.querySelector(".talk");
    root.querySelector(".title b").textContent = title;
    root.querySelector(".title small").textContent = about;
    root.querySelector(".face").textContent = face;
    root.querySelector(".tools").append(...tools.map((tool) => this.tool(tool)));
    root.querySelector("form").addEventListener("submit", (event) => this.submitted(event));
    root.querySelector(".quoting button").addEventListener("click", () => this.quote(null));
    this.showEmpty();
  }

  tool({ name, label, use }) {
    const button = make("button", { type: "button", title: label, onclick: () => use(this, button) }, icon(name), make("span", {}, label));
    return button;
  }

  get chatId() {
    return this.chat ?? this.user;
  }

  // --- what is seen

  /** Fetch the chat and bring the screen up to date; a call during another one makes that one repeat. */
  async refresh() {
    if (this.refreshing) {
      this.again = true;
      return;
    }
    this.refreshing = true;
    try {
      do {
        this.again = false;
        const asked = this.user;
        const { messages } = await look(asked, this.chat);
        if (asked === this.user) this.show(messages);
        else this.again = true;
      } while (this.again);
    } finally {
      this.refreshing = false;
    }
    this.root.dispatchEvent(new Event("seen"));
  }

  show(messages) {
    this.view = messages;
    const kept = new Set(messages.map((message) => message.id));
    for (const [id, { element }] of this.shown) {
      if (!kept.has(id)) element.remove(), this.shown.delete(id);
    }
    const changed = messages.map((message) => this.put(message)).filter(Boolean);
    this.showEmpty();
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
      element.classList.add("changed");
      known.element.replaceWith(element);
    } else this.talk.append(element);
    this.shown.set(message.id, { element, written });
    return element;
  }

  draw(message) {
    if (message.kind === "service") return make("li", { className: "note" }, message.text);
    const bubble = make("div", { className: "bubble" }, ...this.content(message));
    const again = make("button", { type: "button", className: "answer", title: "回复这一条", onclick: () => this.quote(message) }, icon("reply"));
    again.setAttribute("aria-label", "回复这一条");
    const item = make("li", { className: message.is_me ? "mine" : "theirs" }, make("div", { className: "row" }, bubble, again));
    item.append(...message.buttons.map((row) => this.buttons(message, row)));
    return item;
  }

  content(message) {
    const sender = this.chat !== null && !message.is_me ? make("b", { className: "sender" }, message.from) : null;
    const asked = this.view.find((one) => one.id === message.reply_to);
    const quote = asked ? make("q", {}, firstLine(asked)) : null;
    const picture = message.photo ? make("img", { src: message.photo, alt: "照片" }) : null;
    const place = message.kind === "location" ? make("span", { className: "place" }, icon("place"), "位置") : null;
    const text = message.text ? make("span", { className: "text", innerHTML: message.html }) : null;
    const when = make("small", {}, (message.edited ? "已更新 " : "") + this.time(message.date));
    return [sender, quote, picture, place, text, when].filter(Boolean);
  }

  time(seconds) {
    return new Intl.DateTimeFormat("zh-CN", { timeZone: Phone.zone, hour: "2-digit", minute: "2-digit", hour12: false }).format(seconds * 1000);
  }

  buttons(message, labels) {
    const made = labels.map((label) => make("button", { type: "button", onclick: () => this.tap(label, message.id) }, label));
    return make("div", { className: "buttons" }, ...made);
  }

  showEmpty() {
    if (!this.empty) return;
    if (this.view.length) this.empty.remove();
    else this.talk.append(this.empty);
  }

  // --- what is done

  async does(what, more = {}) {
    try {
      return await act(this.user, this.chat, what, more);
    } catch (error) {
      this.complain(error.message);
      return null;
    }
  }

  async tap(label, message) {
    for (const button of this.shown.get(message)?.element.querySelectorAll(".buttons button") ?? []) {
      button.classList.toggle("pressed", button.textContent === label);
    }
    const tapped = await this.does("tap", { label, message, wait: 5 });
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

  quote(message) {
    this.quoted = message;
    const line = this.root.querySelector(".quoting");
    line.hidden = message === null;
    if (message === null) return;
    line.firstElementChild.textContent = `回复：${firstLine(message)}`;
    this.root.querySelector("input").focus();
  }

  /** Show the same chat to somebody else. */
  async become(user) {
    this.user = user;
    this.quote(null);
    this.shown.clear();
    this.talk.replaceChildren();
    await this.refresh();
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

  /** The newest button of somebody else's that begins with these words: {label, message}. */
  find(words) {
    for (const message of this.recent.reverse()) {
      const label = message.buttons.flat().find((one) => one.startsWith(words));
      if (label) return { label, message: message.id };
    }
    return null;
  }

  async press(words) {
    const { label, message } = this.find(words);
    await this.tap(label, message);
  }

  sees(words) {
    return this.recent.findLast((message) => message.text.includes(words));
  }
}

const firstLine = (message) => (message.text || "照片").split("\n")[0].slice(0, 40);
