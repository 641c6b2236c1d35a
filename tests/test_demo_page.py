"""The demonstration as its user meets it: a real process, a real browser, the whole story played."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Page, async_playwright, expect

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


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine: install it to test the phones page")
async def test_the_story_is_played_to_its_end(tmp_path: Path) -> None:
    began = time.monotonic()
    async with demo(port := free_port(), tmp_path / "demo") as process, browser(tmp_path / "profile") as page:
        troubles: list[str] = []
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        assert f"http://127.0.0.1:{port}/" in await first_line(process)
        await page.goto(f"http://127.0.0.1:{port}/?pace=0.2")
        await expect(page.locator("#play")).to_be_enabled(timeout=READY_WITHIN * 1000)
        ready = time.monotonic() - began

        await page.locator("#play").click()
        await expect(page.locator("#caption")).to_contain_text("演完了", timeout=STORY_WITHIN * 1000)
        await expect(page.locator("#trace .status")).to_have_text("已结案", timeout=5000)
        await expect(page.locator("#trace .words")).to_contain_text("灯坏了")
        await expect(page.locator("#group .talk")).to_contain_text("已结案", timeout=PACED)
        await expect(page.locator("#trace")).not_to_contain_text("在途", timeout=PACED)
        await expect(page.locator("#trace")).to_contain_text("没送到 0 条")
        await expect(page.locator("#resident .talk > li").last).to_contain_text("已结案")
        await expect(page.locator("#member .talk img")).to_have_count(1)
        await expect(page.locator("#group .talk")).not_to_contain_text("看不清台阶")
        if picture := os.environ.get("HUIYIN_SCREENSHOT"):
            await page.mouse.move(0, 0)
            await page.wait_for_timeout(FADED)
            await page.screenshot(path=picture)

        assert troubles == []
        product = await product_of(process)
        assert product.memory_info().rss < MOST_MEMORY
        process.terminate()
        assert await process.wait() == 0
        assert not product.is_running()
    assert ready < READY_WITHIN


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
