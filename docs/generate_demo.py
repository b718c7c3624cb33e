"""Draws docs/demo.svg: a frame of the demo as the terminal shows it, from the events of a real run.

python docs/generate_demo.py
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from rich.console import Console

from stenogram.cli.screen.frame import Frame
from stenogram.cli.screen.screen_model import ScreenModel
from stenogram.cli.text.event_lines import Palette
from stenogram.domain.envelope import parse
from stenogram.domain.model import Event

PICTURE = Path(__file__).with_name("demo.svg")
WIDTH, HEIGHT = 150, 38
FONTS = "Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
STENOGRAM = (sys.executable, "-m", "stenogram")


def events() -> list[Event]:
    """Everything that happened in one run, at the speed at which people see it."""
    with tempfile.TemporaryDirectory() as folder:
        at = ("--log", str(Path(folder) / "demo.db"))
        subprocess.run(
            [*STENOGRAM, "demo", "--lines", "--session", "trip-7", *at], check=True, stdout=subprocess.DEVNULL
        )
        exported = subprocess.run([*STENOGRAM, "export", "trip-7", *at], check=True, stdout=subprocess.PIPE)
    return [parse(line) for line in exported.stdout.splitlines()]


def busiest(happened: list[Event]) -> datetime:
    """When most messages were open for the last time."""
    counts: list[tuple[int, datetime]] = []
    streaming = 0
    for event in happened:
        streaming += (event.type == "message.started") - (event.type in ("message.completed", "message.aborted"))
        counts.append((streaming, event.time))
    return max(counts)[1]


def draw(happened: list[Event]) -> str:
    """The last moment in which three messages are being streamed at once."""
    moment, began = busiest(happened), happened[0].time
    model = ScreenModel("trip-7")
    for event in happened:
        if event.time <= moment:
            model.fold(event, (event.time - began).total_seconds())
    console = Console(file=io.StringIO(), record=True, width=WIDTH, height=HEIGHT, force_terminal=True)
    console.print(Frame(model, Palette()).draw(WIDTH, HEIGHT, (moment - began).total_seconds()))
    return console.export_svg(title="stenogram demo", unique_id="demo")


def with_own_fonts(svg: str) -> str:
    """A picture that fetches nothing: with fonts that the reader has."""
    without = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    stacked = re.sub(r"font-family: Fira Code(, monospace)?", f"font-family: {FONTS}", without)
    return "".join(f"{line.rstrip()}\n" for line in stacked.splitlines() if line.strip())


if __name__ == "__main__":
    PICTURE.write_text(with_own_fonts(draw(events())), encoding="utf-8")
