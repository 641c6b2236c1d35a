// Puts the page together: three phones, the trace, the clock and the story.

import { clock, forward, pause, state, trace, watch } from "./control.js";
import { darkStaircase } from "./camera.js";
import { make } from "./elements.js";
import { Phone } from "./phone.js";
import { play } from "./story.js";
import { draw } from "./trace.js";

const LOOK_AGAIN = 2000;
const find = (selector) => document.querySelector(selector);

async function start() {
  draw(find("#trace"), null);
  const cast = await ready();
  Phone.zone = cast.zone;
  const phones = lay(cast);
  keepTime(Object.values(phones));
  watch((chats) => {
    for (const phone of Object.values(phones)) if (!chats || chats.has(phone.chatId)) phone.refresh();
    showTrace();
  });
  for (const button of document.querySelectorAll("[data-seconds]")) button.onclick = () => pass(Number(button.dataset.seconds));
  find("#play").onclick = () => tell(phones, cast);
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
  find("#play").disabled = stage !== "ready";
  caption(stage === "ready" ? "准备好了。点右下角【演示全过程】，或者自己拿起手机试一试。" : "演示已经停止。请看终端里的说明，再重新运行。");
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

// --- phones

function lay({ resident, member, group }) {
  find("#resident h2 small").textContent = `在${resident.place}`;
  find("#member h2 small").textContent = `${member.title} · ${member.area}`;
  const own = new Phone(find("#resident"), { user: resident.user, title: "回音", about: "机器人", face: "音", tools: RESIDENT_TOOLS, empty: poster(resident) });
  own.payload = resident.payload;
  const phones = {
    resident: own,
    member: new Phone(find("#member"), { user: member.user, title: "回音", about: "机器人 · 工作消息", face: "音", tools: [BLOCK] }),
    group: new Phone(find("#group"), { user: group.people[0].user, chat: group.chat, title: `${group.area}工作群`, about: "网格员、组长、邻长和机器人", face: "群" }),
  };
  switcher(group.people, phones.group);
  return phones;
}

const RESIDENT_TOOLS = [
  { name: "scan", label: "扫码", use: (phone) => phone.does("scan", { payload: phone.payload }) },
  { name: "photo", label: "照片", use: (phone) => phone.does("photo", { data: darkStaircase() }) },
  { name: "place", label: "位置", use: (phone) => phone.does("location") },
];

const BLOCK = {
  name: "block",
  label: "屏蔽机器人",
  use: async (phone, button) => {
    const blocked = button.getAttribute("aria-pressed") === "true";
    await phone.does(blocked ? "unblock" : "block");
    button.setAttribute("aria-pressed", String(!blocked));
    phone.complain(blocked ? "已恢复接收" : "已屏蔽：发给他的消息送不到，办理过程里会显示");
  },
};

/** What a resident sees before the first message: the code at the door. */
function poster({ place, payload }) {
  const scan = make("button", { type: "button", onclick: () => find("#resident [title=扫码]").click() }, "扫一扫");
  const code = make("img", { src: "/demo/code.svg", alt: `${place}的二维码`, width: 132, height: 132 });
  return make("li", { className: "poster" }, make("b", {}, "有事请扫码"), code, make("span", {}, place), payload ? scan : null);
}

function switcher(people, phone) {
  const choices = people.map(({ user, title }) => {
    const radio = make("input", { type: "radio", name: "chief", value: user, onchange: () => phone.become(user) });
    return make("label", {}, radio, make("span", {}, title));
  });
  choices[0].querySelector("input").checked = true;
  find(".people").append(...choices);
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

// --- the story

async function tell(phones, { group }) {
  const button = find("#play");
  button.disabled = true;
  document.body.classList.add("playing");
  try {
    await play(phones, (title) => becomes(phones.group, group.people, title), caption);
    caption("演完了：从扫码到满意，每一步都有人、有时间、有回音。右边是全部经过。");
  } catch (error) {
    caption(`演示停在这里：${error.message}`);
  } finally {
    document.body.classList.remove("playing");
    button.disabled = document.body.dataset.stage !== "ready";
  }
}

async function becomes(phone, people, title) {
  const { user } = people.find((one) => one.title === title);
  find(`.people input[value="${user}"]`).checked = true;
  await phone.become(user);
}

start();
