// The trace panel: where the newest request stands, what it was taken for, why this person, what is due.

import { make } from "./elements.js";

export function draw(panel, trace) {
  const written = JSON.stringify(trace);
  if (panel.dataset.written === written) return;
  panel.dataset.written = written;
  panel.replaceChildren(...(trace ? parts(trace) : [nothing()]));
}

function nothing() {
  return make("p", { className: "nothing" }, "还没有诉求。居民提交以后，这里会看到每一步：谁、什么时候、为什么。");
}

function parts(trace) {
  return [head(trace), category(trace), reasons(trace), limits(trace), history(trace), result(trace), messages(trace)].filter(Boolean);
}

function head(trace) {
  const status = make("span", { className: `status ${trace.open ? "open" : "ended"}` }, trace.status);
  const about = [trace.place, trace.photos ? `照片 ${trace.photos} 张` : ""].filter(Boolean).join(" · ");
  return make("div", { className: "head" }, make("div", {}, make("b", {}, trace.number), status), make("p", {}, about));
}

function section(title, ...content) {
  return make("section", {}, make("h3", {}, title), ...content);
}

function category(trace) {
  const { name, scope, level, how, matched } = trace.category;
  const chips = matched.map((word) => make("mark", {}, word));
  const line = make("p", {}, make("b", {}, name), ` ${[scope, level, how].filter(Boolean).join(" · ")}`);
  return section("是什么事", line, chips.length ? make("p", { className: "words" }, "看到的词 ", ...chips) : null);
}

function reasons(trace) {
  if (!trace.handler) return null;
  const list = make("ul", {}, ...trace.reasons.map((words) => make("li", {}, words)));
  return section(`为什么派给${trace.handler}`, list);
}

function limits(trace) {
  if (!trace.limits.length) return null;
  const cells = trace.limits.map(({ step, due, state, words }) =>
    make("li", { className: state }, make("span", {}, step), make("time", {}, due), make("b", {}, words)));
  return section("时限", make("ul", { className: "limits" }, ...cells));
}

function history(trace) {
  let day = "";
  const lines = trace.history.map((line) => {
    const newDay = line.day === day ? "" : line.day;
    day = line.day;
    return make("li", {}, make("time", {}, newDay ? make("i", {}, newDay) : null, line.time),
      make("span", {}, make("b", {}, line.event), line.to ? ` → ${line.to}` : ` ${line.who}`));
  });
  return section("经过", make("ol", { className: "history" }, ...lines));
}

function result(trace) {
  if (!trace.result) return null;
  const verdict = trace.verdict ? make("p", {}, "居民评价 ", make("b", {}, trace.verdict)) : null;
  return section("结果", make("p", { className: "result" }, trace.result), verdict);
}

function messages(trace) {
  const waiting = trace.waiting ? `，在途 ${trace.waiting} 条` : "";
  const lost = trace.lost.map(({ who, text, reason }) => make("li", {}, make("b", {}, `${who}：${reason}`), ` ${text}`));
  const words = `送到 ${trace.sent} 条${waiting}，没送到 ${trace.lost.length} 条`;
  return section("通知", make("p", {}, words), lost.length ? make("ul", { className: "lost" }, ...lost) : null);
}
