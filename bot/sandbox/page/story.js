// The whole story, step by step: everything is done as a person would, and each step waits to see its effect.

import { darkStaircase } from "./camera.js";
import { pause } from "./control.js";

const ASKED = ["提交", "取消", "都不是", "没有危险", "说不清"]; // buttons of a report that is not submitted
const LONGEST_WAIT = 30_000;
const TO_READ = 1300 * Number(new URLSearchParams(location.search).get("pace") ?? 1); // /?pace=2: slower

/** Each step: who acts, what the caption says, what is done, and what must then be seen. */
const steps = ({ resident, member, group }, become) => [
  {
    at: resident, caption: "居民扫3号楼门口的码，不用装别的，也不用注册。",
    act: () => resident.does("scan", { payload: resident.payload }),
    seen: () => resident.sees("我是回音"),
  },
  {
    at: resident, caption: "像平时说话一样，说出问题。",
    act: () => resident.say("楼道灯坏了好几天，晚上黑得看不清台阶"),
    seen: () => resident.find("提交") ?? resident.find("新问题"),
  },
  {
    at: resident, caption: "拍一张照片：并进同一件事，卡片就地更新。",
    act: async () => {
      if (resident.find("新问题")) await resident.press("新问题");
      await resident.does("photo", { data: darkStaircase() });
    },
    seen: () => resident.find("提交") && resident.sees("附件"),
  },
  {
    at: resident, caption: "点【提交】：马上有编号、有人、有时限。",
    act: () => resident.press("提交"),
    seen: () => resident.sees("已提交"),
  },
  {
    at: member, caption: "几秒之内，第一网格的李网格员收到卡片和照片。",
    seen: () => member.find("接单") && member.recent.some((message) => message.photo),
  },
  {
    at: group, caption: "邻长群里只有一张短卡片：没有姓名、电话，也没有居民的原话。",
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
    at: group, caption: "名单以外的路人点【我来看看】：不生效，也不打扰别人。",
    act: async () => {
      await become("路人");
      await group.press("我来看看");
    },
    seen: () => group.sees("不在本网格名单"),
  },
  {
    at: group, caption: "王组长点【我来看看】：认领成功，大家都看到有人去了。",
    act: async () => {
      await become("王组长");
      await group.press("我来看看");
    },
    seen: () => group.sees("王组长已去看") && resident.sees("王组长已接单"),
  },
  {
    at: group, caption: "群里照常聊天：机器人看不到这些话，也不插嘴。",
    act: () => group.say("我就在附近，先过去看看是灯泡还是开关。"),
    seen: () => group.view.at(-1)?.is_me,
  },
  {
    at: member, caption: "李网格员到了现场，点【到场】。居民那边接着同一条更新。",
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
    at: member, caption: "写清楚怎么解决的，居民会看到原话。",
    act: () => member.say("灯泡和声控开关都换了新的，晚上试过，人一走近就亮。"),
    seen: () => resident.find("已解决"),
  },
  {
    at: resident, caption: "最后一句话由居民说：已解决，满意。",
    act: () => resident.press("已解决"),
    seen: () => resident.sees("已结案"),
  },
];

/** Play it once. `say` shows a caption; raises an Error where something expected is not seen. */
export async function play(phones, become, say) {
  const { resident, member, group } = phones;
  await clear(resident);
  for (const phone of [resident, member, group]) phone.mark();
  const all = steps(phones, become);
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
