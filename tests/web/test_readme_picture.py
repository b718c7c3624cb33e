"""The animated picture that opens the README: small, and whole to a browser."""

from pathlib import Path

import pytest
from support.browser import OpenPage, ServePage

pytestmark = [pytest.mark.web]

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 700_000
DECODE = """async () => {
  const data = await (await fetch('/demo.webp')).arrayBuffer()
  const decoder = new ImageDecoder({ data, type: 'image/webp' })
  await decoder.tracks.ready
  const { frameCount, repetitionCount } = decoder.tracks.selectedTrack
  let seconds = 0
  for (let frameIndex = 0; frameIndex < frameCount; frameIndex++) {
    const { image } = await decoder.decode({ frameIndex })
    seconds += image.duration / 1e6
    image.close()
  }
  return [frameCount, seconds, repetitionCount]
}"""


async def test_it_plays_half_a_minute_over_and_over(serve_page: ServePage, open_page: OpenPage, tmp_path: Path) -> None:
    picture = (DOCS / "demo.webp").read_bytes()
    assert len(picture) <= MOST_BYTES
    (tmp_path / "demo.webp").write_bytes(picture)
    (tmp_path / "index.html").write_text('<!doctype html><title>A picture</title><link rel="icon" href="data:,">')
    page = await open_page(await serve_page(tmp_path))
    frames, seconds, repeated = await page.evaluate(DECODE)
    assert frames > 20
    assert 15 < seconds < 60
    assert repeated in {None, float("inf")}
