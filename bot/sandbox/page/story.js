// The whole story, step by step: everything is done as a person would, and each step waits to see its effect.

import { darkStaircase, litStaircase } from "./camera.js";
import { pause } from "./control.js";

const ASKED = ["提交", "还没好", "取消", "都不是", "没有危险", "说不清"]; // buttons of a report that is not submitted
const LONGEST_WAIT = 30_000;
const TO_READ = 1300 * Number(new URLSearchParams(location.search).get("pace") ?? 1); // /?pace=2: slower

const RESULT = "灯泡和声控开关都换了新的，晚上试过，人一走近就亮。";

/** Each step: who acts, what the caption says, what is done, and what must then be seen. */
const steps = ({ resident, member, group }, payload, become) => [
  {
    at: resident, caption: said(resident, {
      telegram: "居民扫3号楼门口的码，不用装别的，也不用注册。",
      wechat: "居民用微信扫3号楼门口的码，关注服务号就能说。",
    }),
    act: () => resident.does("scan", { payload }),
    seen: () => resident.sees("您扫的是"),
  },
  {
    at: resident, caption: "像平时说话一样，说出问题。",
    act: () => resident.say("楼道灯坏了好几天，晚上黑得看不清台阶"),
    seen: () => submit(resident) ?? resident.find("新问题"),
  },
  {
    at: resident, caption: said(resident, {
      telegram: "拍一张照片：并进同一件事，卡片就地更新。",
      wechat: "拍一张照片：并进同一件事。",
    }),
    act: async () => {
      if (resident.find("新问题")) await resident.press("新问题");
      await resident.does("photo", { data: darkStaircase() });
    },
    seen: () => submit(resident) && resident.sees("附件"),
  },
  {
    at: resident, caption: said(resident, {
      telegram: "点【提交】：马上有编号、有人、有时限。",
      wechat: "回复数字1就是【提交】：马上有编号、有人、有时限。",
    }),
    act: () => resident.tap(submit(resident)),
    seen: () => resident.sees("已提交"),
  },
  {
    at: member, caption: said(member, {
      telegram: "几秒之内，第一网格的李网格员在 Telegram 上收到卡片和照片。",
      wecom: "几秒之内，第一网格的李网格员在企业微信里收到卡片和照片。",
    }),
    seen: () => member.find("接单") && member.recent.some((message) => message.photo),
  },
  {
    at: group, caption: said(group, {
      telegram: "邻长群里只有一张短卡片：没有姓名、电话，也没有居民的原话。",
      wecom: "组长、邻长在企业微信里各有一张短卡片：没有姓名、电话和居民的原话。",
    }),
    seen: () => group.find("我来看看"),
  },
  {
    at: group, caption: "张邻长点【知道了】：已经看到，但不认领。",
    act: async () => {
      await become("张邻长");
      await group.press("知道了");
    },
    seen: () => group.sees("1人已知道"),
  },
  {
    on: "telegram",
    at: group, caption: "名单以外的路人点【我来看看】：不生效，也不打扰别人。",
    act: async () => {
      await become("路人");
      await group.press("我来看看");
    },
    seen: () => group.sees("不在本网格名单"),
  },
  {
    at: group, caption: "王组长点【我来看看】：认领成功，居民马上知道有人去了。",
    act: async () => {
      await become("王组长");
      await until(group, () => group.find("我来看看"));
      await group.press("我来看看");
    },
    seen: () => group.sees("王组长已去看") && resident.sees("王组长已接单"),
  },
  {
    on: "wecom",
    at: group, caption: "张邻长手里的卡片也跟着变了：大家都看到有人去了。",
    act: () => become("张邻长"),
    seen: () => group.sees("王组长已去看"),
  },
  {
    on: "telegram",
    at: group, caption: "群里照常聊天：机器人看不到这些话，也不插嘴。",
    act: () => group.say("我就在附近，先过去看看是灯泡还是开关。"),
    seen: () => group.view.at(-1)?.is_me,
  },
  {
    at: member, caption: said(resident, {
      telegram: "李网格员到了现场，点【到场】。居民那边接着同一条更新。",
      wechat: "李网格员到了现场，点【到场】。居民在微信里马上知道。",
    }),
    act: () => member.press("到场"),
    seen: () => resident.sees("李网格员已到场"),
  },
  {
    at: member, caption: "点【办结】，只写“换好了”：太短，退回来请他写清楚。",
    act: async () => {
      await member.press("办结");
      await until(member, () => member.sees("请写"));
      await member.say("换好了");
    },
    seen: () => member.sees("写得太短"),
  },
  {
    at: member, caption: said(member, {
      telegram: "写清楚怎么解决的，附一张照片：居民都看得到。",
      wecom: "写清楚怎么解决的，居民会看到原话。",
    }),
    act: () => said(member, {
      telegram: () => member.does("photo", { data: litStaircase(), caption: RESULT }),
      wecom: () => member.say(RESULT),
    })(),
    seen: () => resident.find("已解决") && (member.line.kind === "wecom" || resident.recent.some((message) => message.photo)),
  },
  {
    at: resident, caption: "最后一句话由居民说：已解决，满意。",
    act: () => resident.press("已解决"),
    seen: () => resident.sees("已结案"),
  },
].filter(({ on, at }) => !on || on === at.line.kind);

/** The button that submits; where the story is played again, it was the same matter just before. */
const submit = (phone) => phone.find("提交") ?? phone.find("还没好");

/** What fits the platform that a phone is on. */
const said = (phone, words) => words[phone.line.kind];

/** Play it once. `say` shows a caption; raises an Error where something expected is not seen. */
export async function play(seats, become, say) {
  const [resident, member, group] = [seats.resident, seats.member, seats.group].map((seat) => seat.phone);
  await clear(resident);
  for (const phone of [resident, member, group]) phone.mark();
  const all = steps({ resident, member, group }, seats.resident.payload, become);
  for (const [number, step] of all.entries()) {
    say(step.caption, number + 1, all.length);
    step.at.root.classList.add("acting");
    step.at.root.scrollIntoView({ block: "nearest", behavior: "smooth" });
    try {
      await pause(TO_READ / 2);
      await step.act?.();
      await until(step.at, step.seen);
      await pause(TO_READ);
    } finally {
      step.at.root.classList.remove("acting");
    }
  }
}

/** A report that somebody began and did not submit would take the story's words for its own. */
async function clear(resident) {
  resident.since = 0;
  if (!ASKED.some((words) => resident.find(words))) return;
  await resident.say("取消");
  await until(resident, () => !ASKED.some((words) => resident.find(words)));
}

async function until(phone, seen) {
  const latest = Date.now() + LONGEST_WAIT;
  while (!seen()) {
    if (Date.now() > latest) throw new Error("等了很久，没有看到应有的消息");
    await pause(60);
  }
}
