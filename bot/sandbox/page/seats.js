// The three phones on the page and the platforms that each of them can show.

import { darkStaircase, litStaircase } from "./camera.js";
import { takeIntoUse } from "./control.js";
import { choice, make } from "./elements.js";
import { CALLED, telegram, wechat, wecom } from "./lines.js";
import { Phone } from "./phone.js";

const KINDS = { telegram: "Telegram", wechat: "微信", wecom: "企业微信", web: "网页" };
const BOT = { title: "回音", face: "音" };

/** A phone with a switch in its head; `places` makes for each kind what the phone then shows. */
class Seat {
  constructor(root, places, moved = async () => {}) {
    Object.assign(this, { phone: new Phone(root), places, moved });
    this.switch = choice("这部手机用", Object.keys(places).map((kind) => [kind, KINDS[kind]]), (kind) => this.use(kind).catch((error) => this.phone.complain(error.message)));
    root.querySelector("h2").append(this.switch);
  }

  /** Change the platform; the talk on the other one stays as it is. */
  async use(kind) {
    if (this.kind === kind) return;
    await Promise.all([this.turn(kind), this.moved()]);
  }

  turn(kind) {
    this.kind = kind;
    this.switch.choose(kind);
    return this.show();
  }

  show() {
    return this.phone.open(this.places[this.kind](this));
  }
}

/** Seats for everybody of the cast, each on Telegram. */
export async function seated({ resident, member, group }) {
  const seats = {};
  const moved = () => takeIntoUse({ member: seats.member.kind, group: seats.group.kind });
  seats.resident = new Seat(root("resident", `在${resident.place}`), ofResident(resident));
  seats.member = new Seat(root("member", member.title), ofMember(member), moved);
  seats.group = new Seat(root("group", group.area), ofGroup(group), moved);
  seats.resident.payload = resident.payload;
  Object.assign(seats.group, { people: group.people, person: group.people[0], room: "app" });
  for (const seat of Object.values(seats)) await seat.turn("telegram");
  return seats;
}

function root(name, about) {
  const found = document.querySelector(`#${name}`);
  found.querySelector("h2 small").textContent = about;
  return found;
}

/** Hand the chiefs' phone to another one of them. */
export async function becomes(seat, title) {
  seat.person = seat.people.find((one) => one.title === title);
  await seat.show();
}

// --- what each phone shows

const tool = (name, label, use) => ({ name, label, use });
const photo = (picture) => tool("photo", "照片", (phone) => phone.does("photo", { data: picture() }));

function ofResident(resident) {
  const scan = tool("scan", "扫码", (phone) => phone.does("scan", { payload: resident.payload }));
  const place = tool("place", "位置", (phone) => phone.does("location"));
  const voice = tool("voice", "语音", (phone) => phone.does("voice", { recognition: "楼道灯坏了好几天了" }));
  const leave = tool("block", "取关", (phone) => phone.does("unfollow"));
  const tools = { telegram: [scan, photo(darkStaircase), place], wechat: [scan, photo(darkStaircase), voice, leave] };
  const talk = (line, about) => (seat) => ({
    ...BOT, about, line, tools: tools[line.kind],
    empty: poster(resident.place, () => seat.phone.does("scan", { payload: resident.payload })),
  });
  return {
    telegram: talk(telegram(resident.telegram), "机器人"),
    wechat: talk(wechat(resident.wechat), "服务号"),
    web: () => ({ ...BOT, about: "网页，什么都不用装", page: `/q/${resident.payload}` }),
  };
}

/** What a resident sees before the first message: the code at the door. */
function poster(place, scan) {
  const code = make("img", { src: "/demo/code.svg", alt: `${place}的二维码`, width: 132, height: 132 });
  const button = make("button", { type: "button", onclick: scan }, "扫一扫");
  return make("li", { className: "poster" }, make("b", {}, "有事请扫码"), code, make("span", {}, place), button);
}

const block = tool("block", "屏蔽机器人", async (phone, button) => {
  const blocked = button.getAttribute("aria-pressed") === "true";
  await phone.does(blocked ? "unblock" : "block");
  button.setAttribute("aria-pressed", String(!blocked));
  phone.complain(blocked ? "已恢复接收" : "已屏蔽：发给他的消息送不到，办理过程里会显示");
});

function ofMember(member) {
  return {
    telegram: () => ({ ...BOT, about: "机器人 · 工作消息", line: telegram(member.telegram), tools: [photo(litStaircase), block] }),
    wecom: () => ({ ...BOT, about: "应用 · 工作消息", line: wecom(member.wecom), tools: [photo(litStaircase)] }),
  };
}

function ofGroup(group) {
  const as = (seat, people) => {
    const pick = (title) => becomes(seat, title).then(() => focus(seat, ".tools"));
    const made = choice("以谁的身份", people.map(({ title }) => [title, title]), pick);
    made.choose(seat.person.title);
    return made;
  };
  return {
    telegram: (seat) => ({
      title: `${group.area}工作群`, about: "网格员、组长、邻长和机器人", face: "群",
      line: telegram(seat.person.telegram, group.telegram), tools: [as(seat, seat.people)],
    }),
    wecom: (seat) => {
      const colleagues = seat.people.filter((one) => one.wecom);
      if (!seat.person.wecom) [seat.person] = colleagues;
      return { ...wecomRoom(seat, group), aside: rooms(seat), tools: [as(seat, colleagues), ...wecomTools(seat)] };
    },
  };
}

function wecomRoom(seat, group) {
  const user = seat.person.wecom;
  if (seat.room === "app") return { ...BOT, about: "应用消息", line: wecom(user) };
  return { title: group.wecom, about: "内部群", face: "群", line: wecom(user, group.wecom) };
}

const wecomTools = (seat) =>
  seat.room === "app" ? [photo(litStaircase)] : [tool("call", "回音", (phone) => phone.begin(`${CALLED} `))];

/** A colleague has the app's own talk, and the group in which the robots are. */
function rooms(seat) {
  const pick = (room) => {
    seat.room = room;
    return seat.show().then(() => focus(seat, ".aside"));
  };
  const made = choice("哪个聊天", [["app", "应用"], ["group", "群"]], pick);
  made.choose(seat.room);
  return made;
}

/** The choice is drawn anew when it has been made: who chose with the keyboard goes on there. */
const focus = (seat, part) => seat.phone.root.querySelector(`${part} input:checked`).focus();
