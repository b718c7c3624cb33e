"""Projections whose handlers block, and end their process, until a file appears; loaded by name in another process."""

import asyncio
import os
import signal
import time
from pathlib import Path

from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.projections import DocProjection, Meta

GATE = "ROUGH_VIEWS_GATE"


class Heard(BaseModel):
    said: list[str] = []


sleeper = DocProjection("sleeper", Heard)
leaver = DocProjection("leaver", Heard)
pager = DocProjection("pager", Heard)


def is_open() -> bool:
    """Whether handlers may go on."""
    return Path(os.environ[GATE]).exists()


@sleeper.on
def _(doc: Heard, event: MessagePosted) -> None:
    while event.message == "sleep" and not is_open():
        time.sleep(0.01)
    doc.said.append(event.message)


@leaver.on
def _(doc: Heard, event: MessagePosted) -> None:
    if event.message == "leave" and not is_open():
        os._exit(7)
    if event.message == "be-killed" and not is_open():  # as it is by a system without memory
        os.kill(os.getpid(), signal.SIGKILL)
    doc.said.append(event.message)


@pager.on
def _(doc: Heard, event: MessagePosted) -> None:
    doc.said.append(event.message)


@pager.effect
async def _(event: MessagePosted, meta: Meta) -> None:
    await asyncio.sleep(0)
    if event.message == "page-and-leave" and not is_open():
        os._exit(7)
    _write_page(f"{event.message}\n")


def _write_page(page: str) -> None:
    with Path(f"{os.environ[GATE]}.paged").open("a") as pages:
        pages.write(page)


all_of_them = [sleeper, leaver, pager]
