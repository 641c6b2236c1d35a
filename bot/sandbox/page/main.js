// Puts the page together: three phones, the trace, the clock and the stories.

import { clock, forward, pause, state, trace, watch } from "./control.js";
import { make } from "./elements.js";
import { Phone } from "./phone.js";
import { becomes, seated } from "./seats.js";
import { play } from "./story.js";
import { draw } from "./trace.js";

const LOOK_AGAIN = 2000;
const find = (selector) => document.querySelector(selector);

async function start() {
  draw(find("#trace"), null);
  const cast = await ready();
  Phone.zone = cast.zone;
  const seats = await seated(cast);
  const phones = Object.values(seats).map((seat) => seat.phone);
  keepTime(phones);
  watch((talks) => {
    for (const phone of phones) if (!talks || talks.has(phone.line?.id)) phone.refresh();
    showTrace();
  });
  for (const button of document.querySelectorAll("[data-seconds]")) button.onclick = () => pass(Number(button.dataset.seconds));
  find("#play").onclick = () => tell(seats, { resident: seats.resident.kind === "web" ? "telegram" : seats.resident.kind });
  find("#across").onclick = () => tell(seats, { resident: "wechat", member: "telegram", group: "wecom" });
  keepLooking();
}

/** Who plays, once the bot is there. */
async function ready() {
  for (;;) {
    const { stage, cast } = await state();
    enter(stage);
    if (stage !== "preparing") return cast;
    await pause(200);
  }
}

function enter(stage) {
  if (document.body.dataset.stage === stage) return;
  document.body.dataset.stage = stage;
  letPlay(stage === "ready");
  caption(stage === "ready" ? "准备好了。点右下角的演示，或者自己拿起手机试一试。" : "演示已经停止。请看终端里的说明，再重新运行。");
}

function letPlay(may) {
  for (const button of document.querySelectorAll(".play")) button.disabled = !may;
}

/** For ever: is the bot still there, and has anything changed that no chat shows? */
async function keepLooking() {
  for (;;) {
    try {
      enter((await state()).stage);
      await showTrace();
    } catch {
      enter("stopped");
    }
    await pause(LOOK_AGAIN);
  }
}

async function showTrace() {
  draw(find("#trace"), await trace());
}

function caption(words, number, all) {
  const step = number ? make("b", {}, `${number}/${all}`) : null;
  find("#caption").replaceChildren(...[step, words].filter(Boolean));
}

// --- time

async function pass(seconds) {
  await forward(seconds);
  await keepTime.now?.();
}

/** Show the sandbox's clock in the footer and on every phone; ask again after it was moved. */
async function keepTime(phones) {
  let ahead = 0;
  const [day, minute] = [
    { month: "long", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false },
    { hour: "2-digit", minute: "2-digit", hour12: false },
  ].map((shape) => new Intl.DateTimeFormat("zh-CN", { timeZone: Phone.zone, ...shape }));
  const show = () => {
    const now = Date.now() + ahead;
    find("#clock").textContent = day.format(now);
    for (const phone of phones) phone.root.querySelector(".bar time").textContent = minute.format(now);
  };
  keepTime.now = async () => {
    ahead = new Date((await clock()).now) - Date.now();
    show();
  };
  await keepTime.now();
  setInterval(show, 1000);
}

// --- the stories

/** Play it with the phones on these platforms. */
async function tell(seats, kinds) {
  letPlay(false);
  document.body.classList.add("playing");
  try {
    for (const [name, kind] of Object.entries(kinds)) await seats[name].use(kind);
    seats.group.room = "app";
    await seats.group.show();
    await play(seats, (title) => becomes(seats.group, title), caption);
    caption("演完了：从扫码到满意，每一步都有人、有时间、有回音。右边是全部经过。");
  } catch (error) {
    caption(`演示停在这里：${error.message}`);
  } finally {
    document.body.classList.remove("playing");
    letPlay(document.body.dataset.stage === "ready");
  }
}

start();
