"""The demonstration as its user meets it: a real process, a real browser, the whole story played.

With HUIYIN_SCREENSHOTS=FOLDER the README's pictures are taken anew.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.async_api import Locator, Page, async_playwright, expect

from tests.process import free_port

ROOT = Path(__file__).parents[1]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
READY_WITHIN = 30  # seconds; a few on an idle machine
STORY_WITHIN = 90
PACED = 20_000  # milliseconds; a group hears no more than the platform allows
FADED = 1500  # milliseconds until a changed message looks like any other
MOST_MEMORY = 300 * 2**20

PICTURES = os.environ.get("HUIYIN_SCREENSHOTS", "")
PACE = 1 if PICTURES else 0.2  # of the stories

in_a_browser = pytest.mark.skipif(
    BROWSER is None, reason="no chromium on this machine: install it to test the phones page"
)


@contextlib.asynccontextmanager
async def demo(port: int, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "demo", "--port", str(port), "--folder", str(folder)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile,
            executable_path=BROWSER,
            args=QUIET.split(),
            viewport={"width": 1440, "height": 900},
            device_scale_factor=1.5,
        )
        try:
            yield context.pages[0]
        finally:
            await context.close()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(READY_WITHIN):
        return (await process.stdout.readline()).decode()


async def product_of(process: asyncio.subprocess.Process) -> psutil.Process:
    """The product's process, once the demonstration has started it."""
    async with asyncio.timeout(READY_WITHIN):
        while not (children := psutil.Process(process.pid).children()):  # noqa: ASYNC110 (it is another process's state)
            await asyncio.sleep(0.05)
    return children[0]


@dataclass(frozen=True)
class Shown:
    """The phones page, once the bot is ready; nothing may go wrong in it."""

    page: Page
    process: asyncio.subprocess.Process

    async def plays(self, story: str) -> None:
        await self.page.locator(story).click()
        await expect(self.page.locator("#caption")).to_contain_text("演完了", timeout=STORY_WITHIN * 1000)
        await expect(self.page.locator("#trace .status")).to_have_text("已结案", timeout=5000)
        await expect(self.page.locator("#trace")).not_to_contain_text("在途", timeout=PACED)
        await expect(self.page.locator("#trace")).to_contain_text("没送到 0 条")
        await expect(self.talk("resident").last).to_contain_text("已结案")
        await expect(self.page.locator("#group .talk")).not_to_contain_text("看不清台阶")

    def talk(self, phone: str) -> Locator:
        return self.page.locator(f"#{phone} .talk > li")

    async def switches(self, phone: str, platform: str) -> None:
        await self.page.locator(f"#{phone} h2 label", has_text=platform).click()

    async def pictured(self, name: str) -> None:
        """In few colours, which make it small."""
        if PICTURES:
            await self.page.mouse.move(0, 0)
            await self.page.locator("#member .talk").evaluate("talk => talk.scrollTo(0, talk.scrollHeight)")
            await self.page.wait_for_timeout(FADED)
            picture = Image.open(BytesIO(await self.page.screenshot()))
            few = picture.convert("RGB").quantize(method=Image.Quantize.FASTOCTREE)
            few.save(Path(PICTURES) / name, optimize=True)


@contextlib.asynccontextmanager
async def phones_page(folder: Path) -> AsyncIterator[Shown]:
    async with demo(port := free_port(), folder / "demo") as process, browser(folder / "profile") as page:
        troubles: list[str] = []
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        assert f"http://127.0.0.1:{port}/" in await first_line(process)
        await page.goto(f"http://127.0.0.1:{port}/?pace={PACE}")
        await expect(page.locator("#play")).to_be_enabled(timeout=READY_WITHIN * 1000)
        yield Shown(page, process)
        assert troubles == []


@in_a_browser
async def test_the_story_is_played_to_its_end(tmp_path: Path) -> None:
    async with phones_page(tmp_path) as shown:
        await shown.plays("#play")
        await expect(shown.page.locator("#group .talk")).to_contain_text("已结案", timeout=PACED)
        await expect(shown.page.locator("#trace .words")).to_contain_text("灯坏了")
        await expect(shown.page.locator("#member .talk img")).to_have_count(2)
        await shown.pictured("phones-telegram.png")

        product = await product_of(shown.process)
        assert product.memory_info().rss < MOST_MEMORY
        shown.process.terminate()
        assert await shown.process.wait() == 0
        assert not product.is_running()


@in_a_browser
async def test_the_story_crosses_wechat_telegram_and_wecom(tmp_path: Path) -> None:
    async with phones_page(tmp_path) as shown:
        await shown.plays("#across")
        for phone, platform in {"resident": "wechat", "member": "telegram", "group": "wecom"}.items():
            await expect(shown.page.locator(f"#{phone}")).to_have_attribute("data-kind", platform)
        for phone in ("resident", "member"):  # what was wrong, and what it looks like now
            await expect(shown.page.locator(f"#{phone} .talk img")).to_have_count(2)
        await expect(shown.talk("group").last).to_contain_text("王组长已去看")
        await shown.pictured("phones.png")


@in_a_browser
async def test_each_platform_keeps_its_own_talk(tmp_path: Path) -> None:
    async with phones_page(tmp_path) as shown:
        page = shown.page
        await shown.switches("resident", "微信")
        await page.locator("#resident .poster button").click()
        await expect(shown.talk("resident")).to_contain_text(["您扫的是"])
        await page.locator("#resident .menu summary").click()
        await page.locator("#resident .menu button", has_text="查进度").click()
        await expect(shown.talk("resident").last).to_contain_text("您还没有提交过问题")

        await shown.switches("resident", "Telegram")
        await expect(page.locator("#resident .poster")).to_be_visible()
        await shown.switches("resident", "微信")
        await expect(shown.talk("resident").last).to_contain_text("您还没有提交过问题")

        await page.locator("#resident [title=取关]").click()
        await page.locator("#resident [title=语音]").click()
        await expect(page.locator("#resident .trouble")).to_contain_text("先扫码")


@in_a_browser
async def test_a_report_on_the_web_is_handled_on_wecom(tmp_path: Path) -> None:
    async with phones_page(tmp_path) as shown:
        page = shown.page
        async with page.expect_response("**/demo/phones"):
            await shown.switches("group", "企业微信")
        async with page.expect_response("**/demo/phones"):
            await shown.switches("member", "企业微信")
        await shown.switches("resident", "网页")
        web = page.frame_locator("#resident iframe")
        await web.locator("textarea").fill("楼道灯坏了")
        await web.locator("button").first.click()
        await web.locator("button", has_text="提交").click()
        await expect(web.locator("body")).to_contain_text("已提交")

        await expect(page.locator("#member .card")).to_contain_text("楼道灯坏了")
        await page.locator("#group .aside label", has_text="群").click()
        await page.locator("#group .tools button").click()
        await page.keyboard.type("我去 1号")
        await page.keyboard.press("Enter")
        await expect(page.locator("#member .card").last).to_contain_text("王组长已去看")
        await page.locator("#member .card button", has_text="到场").last.click()
        await expect(page.locator("#trace .history")).to_contain_text("到场")


async def test_a_port_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with demo(port, tmp_path / "demo") as process:
            said, complaint = await asyncio.wait_for(process.communicate(), READY_WITHIN)
    assert process.returncode == 1
    assert said == b""
    assert complaint.decode().splitlines() == [
        f"huiyin: 127.0.0.1:{port} cannot be used: Address already in use; choose another --port"
    ]


async def test_the_product_ends_with_a_killed_demonstration(tmp_path: Path) -> None:
    async with demo(free_port(), tmp_path / "demo") as process:
        await first_line(process)
        product = await product_of(process)
        process.kill()
        await process.wait()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [product], READY_WITHIN)
    assert gone == [product]


async def test_a_product_that_ends_by_itself_is_reported(tmp_path: Path) -> None:
    async with demo(free_port(), tmp_path / "demo") as process:
        await first_line(process)
        (await product_of(process)).kill()
        _, complaint = await asyncio.wait_for(process.communicate(), READY_WITHIN)
    assert process.returncode == 1
    (line,) = complaint.decode().splitlines()
    assert "the bot has ended by itself" in line
