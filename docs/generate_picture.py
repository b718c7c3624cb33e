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
SCALE = 0.7
SHOT = {"format": "png", "clip": {"x": 0, "y": 0, **SIZE, "scale": SCALE}}
QUALITY = 0.5
BLOCK = 16
"""Pixels: what of a still is as it was is left out by squares."""
ANIMATED_WITH_ALPHA = 0b10010
EVERY_S = 0.4
LONGEST_S, LAST_MS = 1.0, 4_000
MOST_BYTES = 700_000
ENCODE = """async ([stills, block, quality]) => {
  const encoded = []
  let before = null
  for (const still of stills) {
    const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${still}`)).blob())
    const { width, height } = picture
    const canvas = new OffscreenCanvas(width, height)
    const pen = canvas.getContext('2d', { willReadFrequently: true })
    pen.drawImage(picture, 0, 0)
    const now = new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer)
    const across = Math.ceil(width / block)
    const changed = new Set()
    for (let pixel = 0; pixel < now.length; pixel++) {
      if (now[pixel] === before?.[pixel]) continue
      changed.add(Math.floor(pixel / width / block) * across + Math.floor((pixel % width) / block))
    }
    for (let square = 0; square < across * Math.ceil(height / block); square++) {
      if (changed.has(square)) continue
      pen.clearRect((square % across) * block, Math.floor(square / across) * block, block, block)
    }
    before = now
    const bytes = await (await canvas.convertToBlob({ type: 'image/webp', quality })).arrayBuffer()
    const text = Array.from(new Uint8Array(bytes), (each) => String.fromCharCode(each)).join('')
    encoded.push(changed.size ? btoa(text) : null)
  }
  return encoded
}"""
"""Stills as pictures of what has changed in each; null where nothing has."""
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
            await page.locator(".entry").first.wait_for()  # what shows where pictures do not move is the first one
            frames: list[Frame] = []
            looking = asyncio.create_task(_look(page, frames))
            await _act(page)
            looking.cancel()
            await _look_back(page)
            await page.goto("about:blank")
            frames = await _encoded(page, frames)
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


async def _encoded(page: Page, frames: list[Frame]) -> list[Frame]:
    """The browser encodes them, too; those in which nothing has changed are left out."""
    stills = [base64.b64encode(still).decode() for _, still in frames]
    encoded = await page.evaluate(ENCODE, [stills, BLOCK, QUALITY])
    return [(time, base64.b64decode(each)) for (time, _), each in zip(frames, encoded, strict=True) if each]


def _write(frames: list[Frame]) -> None:
    """As an animated picture (https://developers.google.com/speed/webp/docs/riff_container)."""
    times = [time for time, _ in frames]
    durations = [round(1000 * min(LONGEST_S, after - before)) for before, after in pairwise(times)] + [LAST_MS]
    stills = [_bitstream(picture) for _, picture in frames]
    width, height = (round(SCALE * each) - 1 for each in SIZE.values())
    canvas = bytes([ANIMATED_WITH_ALPHA, 0, 0, 0]) + _three(width) + _three(height)
    chunks = [_chunk(b"VP8X", canvas), _chunk(b"ANIM", b"\xff\xff\xff\xff\0\0")]
    for duration, still in zip(durations, stills, strict=True):
        place = _three(0) + _three(0) + _three(width) + _three(height) + _three(duration) + b"\0"
        chunks.append(_chunk(b"ANMF", place + still))
    whole = _chunk(b"RIFF", b"WEBP" + b"".join(chunks))
    if len(whole) > MOST_BYTES:
        raise SystemExit(f"The picture has {len(whole):,} bytes; lower its quality.")
    (DOCS / "demo.webp").write_bytes(whole)
    print(f"docs/demo.webp: {len(frames)} frames, {len(whole) / 1000:.0f} kB")


def _bitstream(still: bytes) -> bytes:
    """What a frame may have of a still: its transparency and its colours, without the profile before them."""
    kept, place = b"", 12
    while place < len(still):
        size = int.from_bytes(still[place + 4 : place + 8], "little")
        if still[place : place + 4] in (b"ALPH", b"VP8 "):
            kept += still[place : place + 8 + size + size % 2]
        place += 8 + size + size % 2
    return kept


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


if __name__ == "__main__":
    asyncio.run(main())
