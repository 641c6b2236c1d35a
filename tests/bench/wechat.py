"""Row H: a sealed call of WeChat → durable → the handler's words in the answer; and hostile bodies."""

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import urlencode

from bot.sandbox.official import xml
from tests.bench.common import DRAIN, LINES, Bench
from tests.bench.people import TEXTS, poisson
from tests.bench.report import Figure, quantile
from tests.bench.servers import WECHAT, Running
from tests.bench.wire import Call, Caller
from tests.channels.test_weixin_xml import BYTES

OVERLOAD = 3
PLATFORM_WAITS = 5.0  # seconds until it hangs up
MANY_LINES = 1_000  # the platform opens as many as it needs
SUCCESS = b"success"
_HOSTILE_MOST = 100  # milliseconds

Sealed = tuple[str, bytes]  # the query and the body of a call


async def wechat(bench: Bench) -> list[Figure]:
    """Text → stored → handled → the draft's card in the sealed answer, each from somebody new."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run in range(bench.sizes.repetitions):
        bench.step(f"wechat: {LINES} connections, run {run + 1}")
        async with bench.product(wechat=True) as server, server.caller(LINES, "/wechat") as caller:
            await _closed(caller, 0.5)
            before = server.cpu()
            rate, words = await _closed(caller, bench.sizes.door_seconds)
            found["rate"].append(words)
            found["cpu"].append((server.cpu() - before) / (rate * bench.sizes.door_seconds) * 1000)
            latencies, _ = await _open(bench, caller, words / 2)
            found["p50"].append(quantile(latencies, 0.5) * 1000)
            found["p99"].append(quantile(latencies, 0.99) * 1000)
        bench.step(f"wechat: {OVERLOAD} times that, run {run + 1}")
        async with bench.product(wechat=True) as server:
            for name, value in (await _overload(bench, server, words)).items():
                found[name].append(value)
    bench.step("wechat: hostile bodies")
    async with bench.product(wechat=True) as server, server.caller(1, "/wechat") as caller:
        found["hostile"].append(max([await _refused(caller, body) for body in BYTES.values()]) * 1000)
    half = "at half of that rate"
    return [
        Figure(
            "H wechat", "calls answered with the handler's words", tuple(found["rate"]), "/s", at_least=150
        ),
        Figure("H wechat", "CPU for one call", tuple(found["cpu"]), "ms"),
        Figure("H wechat", f"{half}: p50", tuple(found["p50"]), "ms"),
        Figure("H wechat", f"{half}: p99", tuple(found["p99"]), "ms", at_most=1000),
        Figure(
            "H wechat",
            f"at {OVERLOAD} times the rate: errors of the platform",
            tuple(found["errors"]),
            at_most=0,
        ),
        Figure(
            "H wechat", f"at {OVERLOAD} times the rate: told `success`, and later", tuple(found["later"]), "%"
        ),
        Figure("H wechat", f"at {OVERLOAD} times the rate: never told", tuple(found["untold"]), at_most=0),
        Figure(
            "H wechat", "slowest of all hostile bodies", tuple(found["hostile"]), "ms", at_most=_HOSTILE_MOST
        ),
    ]


_numbers = itertools.count(1)


def _calls() -> Iterator[Sealed]:
    """Texts of people who never wrote before."""
    while True:
        number = next(_numbers)
        yield _sealed(f"o{number:027d}", TEXTS[number % len(TEXTS)].format(number % 18 + 1), number)


def _sealed(openid: str, text: str, number: int) -> Sealed:
    stamp, nonce = str(int(time.time())), str(number)
    told = {
        "ToUserName": "gh_bench",
        "FromUserName": openid,
        "CreateTime": stamp,
        "MsgType": "text",
        "Content": text,
        "MsgId": str(number),
    }
    body = WECHAT.seal(xml.write(told))
    mark = WECHAT.signature(stamp, nonce, body)
    query = {"timestamp": stamp, "nonce": nonce, "encrypt_type": "aes", "msg_signature": mark}
    return f"?{urlencode(query)}", xml.write({"ToUserName": "gh_bench", "Encrypt": body})


async def _closed(caller: Caller, seconds: float) -> tuple[float, float]:
    """Every connection busy for so long: answers a second, and those of them with words."""
    calls, answers, words, open_ = _calls(), 0, 0, caller.lines
    begun, ended = time.perf_counter(), asyncio.Event()

    def post() -> None:
        query, body = next(calls)
        caller.post(body, answered, query)

    def answered(status: int) -> None:
        nonlocal answers, words, open_
        if status != 200:
            raise OSError(f"a call was answered with {status}")
        in_time = time.perf_counter() - begun < seconds
        answers += in_time
        words += in_time and caller.body != SUCCESS
        if in_time:
            post()
            return
        open_ -= 1
        if not open_:
            ended.set()

    for _ in range(caller.lines):
        post()
    async with asyncio.timeout(seconds + DRAIN):
        await ended.wait()
    return answers / seconds, words / seconds


async def _open(bench: Bench, caller: Caller, rate: float) -> tuple[list[float], int]:
    """Open loop: seconds from each planned time to its answer, infinite for an error; how many had words."""
    times = poisson(random.Random(7), rate, bench.sizes.door_seconds)  # noqa: S311 (test load)
    calls = list(itertools.islice(_calls(), len(times)))
    latencies, words, ended = list[float](), 0, asyncio.Event()
    loop = asyncio.get_running_loop()
    base = time.perf_counter() + 0.05
    shift = loop.time() - time.perf_counter()

    def send(planned: float, call: Sealed) -> None:
        caller.post(call[1], lambda status: answered(planned, status), call[0])

    def answered(planned: float, status: int) -> None:
        nonlocal words
        latencies.append(time.perf_counter() - planned if status == 200 else float("inf"))
        words += status == 200 and caller.body != SUCCESS
        if len(latencies) == len(times):
            ended.set()

    for at, call in zip(times, calls, strict=True):
        loop.call_at(base + at + shift, send, base + at, call)
    async with asyncio.timeout(bench.sizes.door_seconds + DRAIN):
        await ended.wait()
    return latencies, words


async def _overload(bench: Bench, server: Running, rate: float) -> dict[str, float]:
    """More than can be handled: the platform must get its answer in time, and everybody theirs in the end."""
    told = 0

    def seen(_at: float, method: str, call: Call) -> None:
        nonlocal told
        told += method == "send" and bool(call.touser)

    bench.stub.seen = seen
    async with server.caller(MANY_LINES, "/wechat") as caller:
        latencies, words = await _open(bench, caller, rate * OVERLOAD)
        late = len(latencies) - words
        until = time.perf_counter() + DRAIN
        while told < late and time.perf_counter() < until:  # noqa: ASYNC110 (told by a protocol)
            await asyncio.sleep(0.05)
    errors = sum(latency > PLATFORM_WAITS for latency in latencies)
    return {"errors": errors, "later": late / len(latencies) * 100, "untold": max(late - told, 0)}


async def _refused(caller: Caller, body: bytes) -> float:
    """How long the product looks at a body that it must refuse."""
    query, _ = _sealed("o", "x", next(_numbers))
    begun, answered = time.perf_counter(), asyncio.get_running_loop().create_future()
    caller.post(body, answered.set_result, query)
    status = await answered
    if status not in (400, 403, 413):
        raise OSError(f"a hostile body was answered with {status}")
    return time.perf_counter() - begun
