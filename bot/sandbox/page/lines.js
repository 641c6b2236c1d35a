// How one person acts on a platform and what they see there: the same on all, through the control interface.

import { ask } from "./control.js";

/** A private talk with the bot, or with `chat` a group. */
export const telegram = (user, chat = null) => ({
  kind: "telegram",
  id: chat ?? user,
  group: chat !== null,
  look: () => ask(`/control/chat?user=${user}${chat === null ? "" : `&chat=${chat}`}`),
  act: (what, more) => ask("/control/act", { user, chat, do: what, ...more }),
});

/** Somebody's talk with the service account. Choices are lines of a menu, or numbers to type. */
export const wechat = (openid) => ({
  kind: "wechat",
  id: openid,
  group: false,
  following: false,
  async look() {
    const seen = await ask(`/control/official/chat?openid=${openid}`);
    this.following = seen.following;
    return { ...seen, messages: onlyNewest(seen.messages.map(inOneRow).map(withNumbers)) };
  },
  async act(what, { payload, label, message, ...more }) {
    if (what !== "scan" && !this.following) throw new Error("还没有关注这个服务号，先扫码");
    const acts = {
      scan: { scene: payload },
      click: { label },
      tap: message?.typed ? { do: "text", text: label.split(" ")[0] } : { label },
    };
    const done = await ask("/control/official/act", { openid, do: what, ...more, ...acts[what] });
    this.following = what !== "unfollow";
    return done;
  },
});

/** A colleague's talk with the app, or with `group` a group in which the smart robot can be called. */
export const wecom = (user, group = null) => ({
  kind: "wecom",
  id: group ?? `app:${user}`,
  group: group !== null,
  async look() {
    const { messages } = await ask(`/control/corp/chat?user=${user}${group === null ? "" : `&group=${group}`}`);
    return { messages: messages.map(inOneRow) };
  },
  act(what, { label, text = "", data }) {
    const called = text.startsWith(CALLED);
    const acts = { tap: { text: label }, text: { text: called ? text.slice(CALLED.length).trim() : text, mention: called } };
    return ask("/control/corp/act", { user, group, do: what, ...acts[what] ?? { data } });
  },
});

export const CALLED = "@回音";

const inOneRow = (message) => ({ ...message, buttons: [message.buttons.flat()] });

const NUMBERS = /\n*回复数字：(.+)$/;

/** A number means what was offered last. */
function onlyNewest(messages) {
  const last = messages.findLastIndex((message) => message.buttons.flat().length);
  return messages.map((message, at) => (at < last ? { ...message, disabled: true } : message));
}

/** What is offered by number can be tapped here, which types the number. */
function withNumbers(message) {
  const [line, offered] = (!message.is_me && message.text.match(NUMBERS)) || [];
  if (!line) return message;
  const cut = (text) => text.slice(0, -line.length);
  return { ...message, text: cut(message.text), html: cut(message.html), buttons: [offered.split("\u3000")], typed: true };
}
