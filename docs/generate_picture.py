"""Draws docs/demo.webp, which opens the README: the demo in the console, with somebody who is Maya; and two moments of
it, docs/console.png and docs/console-past.png.

python docs/generate_picture.py        (needs a Chromium)
"""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from playwright.async_api import Error, Page, async_playwright

DOCS = Path(__file__).parent
SIZE = {"width": 1200, "height": 750}
SCALE = 0.75
SHOT = {"format": "webp", "quality": 55, "clip": {"x": 0, "y": 0, **SIZE, "scale": SCALE}}
ANIMATED = 0b10
EVERY_S = 0.4
LONGEST_S, LAST_MS = 1.0, 4_000
MOST_BYTES = 2_000_000
Frame = tuple[float, bytes]
"""When it was seen, and what."""


async def main() -> None:
    """Play the demo, act in it, and keep what is seen."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "stenogram", "demo", "--no-browser", "--lines", "--session", "trip-7")
        process = await asyncio.create_subprocess_exec(
            *(*command, "--log", str(Path(folder) / "demo.db"), "--patience", "60"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        said = ""
        while not (found := re.search(r"http:\S+", said)):
            said += (await process.stderr.readline()).decode()
        async with async_playwright() as playwright:
            program = shutil.which("chromium") or shutil.which("google-chrome")
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            page = await (await browser.new_context(viewport=SIZE)).new_page()  # type: ignore[arg-type]
            page.set_default_timeout(60_000)
            await page.goto(found[0])
            frames: list[Frame] = []
            looking = asyncio.create_task(_look(page, frames))
            await _act(page)
            looking.cancel()
            await _look_back(page)
            await browser.close()
        await process.wait()
    _write(frames)


async def _look(page: Page, frames: list[Frame]) -> None:
    tools = await page.context.new_cdp_session(page)
    while True:
        began = time.monotonic()
        with suppress(Error):  # it is closed
            seen = await tools.send("Page.captureScreenshot", SHOT)
            frames.append((began, base64.b64decode(seen["data"])))
        await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))


async def _act(page: Page) -> None:
    """Be Maya: elsewhere, another hotel, yes."""
    log = page.get_by_role("log")
    await log.get_by_text("Your turn, Maya: say").wait_for()
    await page.get_by_label("say", exact=True).press_sequentially("Make it Lisbon!", delay=40)
    await page.keyboard.press("Enter")
    await log.get_by_text("change the hotel by hand").wait_for()
    await page.get_by_role("link", name="state", exact=True).click()
    await page.get_by_role("button", name='"Hotel Lis"').click()
    await page.locator("textarea").fill("")
    await page.locator("textarea").press_sequentially('"Casa da Graça"', delay=40)
    await page.get_by_role("button", name="Set", exact=True).click()
    await page.get_by_role("button", name="book", exact=True).wait_for()
    await page.screenshot(path=DOCS / "console.png")
    await asyncio.sleep(1)
    await page.get_by_role("button", name="book", exact=True).click()
    await log.get_by_text("That is perfect").wait_for()
    await asyncio.sleep(1)


async def _look_back(page: Page) -> None:
    """A moment of the past, in the dark."""
    await page.emulate_media(color_scheme="dark")
    await page.get_by_role("link", name="tasks", exact=True).click()
    await page.get_by_label("moment").fill("330")
    await page.locator(".session.past").wait_for()
    await page.locator(".entry").first.wait_for()
    await page.locator(".board .card").first.wait_for()
    await asyncio.sleep(1)
    await page.screenshot(path=DOCS / "console-past.png")


def _write(frames: list[Frame]) -> None:
    """As an animated picture (https://developers.google.com/speed/webp/docs/riff_container)."""
    times = [time for time, _ in frames]
    durations = [round(1000 * min(LONGEST_S, after - before)) for before, after in pairwise(times)] + [LAST_MS]
    stills = [picture[picture.index(b"VP8 ") :] for _, picture in frames]
    width, height = (int.from_bytes(stills[0][place : place + 2], "little") - 1 for place in (14, 16))
    canvas = bytes([ANIMATED, 0, 0, 0]) + _three(width) + _three(height)
    chunks = [_chunk(b"VP8X", canvas), _chunk(b"ANIM", b"\xff\xff\xff\xff\0\0")]
    for duration, still in zip(durations, stills, strict=True):
        place = _three(0) + _three(0) + _three(width) + _three(height) + _three(duration) + b"\x02"
        chunks.append(_chunk(b"ANMF", place + still))
    whole = _chunk(b"RIFF", b"WEBP" + b"".join(chunks))
    if len(whole) > MOST_BYTES:
        raise SystemExit(f"The picture has {len(whole):,} bytes; lower its quality.")
    (DOCS / "demo.webp").write_bytes(whole)
    print(f"docs/demo.webp: {len(frames)} frames, {len(whole) / 1000:.0f} kB")


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


if __name__ == "__main__":
    asyncio.run(main())
