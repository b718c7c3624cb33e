"""The demo in a browser: whether there is one to show it, and what the terminal says meanwhile."""

import os
import sys
import webbrowser
from collections.abc import Sequence

import click

from ...domain.ids import SessionId
from ...domain.model import Event
from ..screen.screen_model import ScreenModel

NEEDS_DISPLAY = ("linux", "freebsd", "openbsd", "netbsd", "sunos")


def has_display() -> bool:
    """Whether a window can be opened here: also not from a shell on another machine."""
    if sys.platform.startswith(NEEDS_DISPLAY):
        return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return "SSH_CONNECTION" not in os.environ


def show_page(url: str, *, opens: bool, quiet: bool) -> None:
    """Say where the console is, and open it."""
    if not quiet:
        click.echo(f"stenogram: the console shows it, and there you are Maya: {url}", err=True)
    if opens and not webbrowser.open(url):
        click.echo("stenogram: no browser could be started; open the address in yours.", err=True)


class PageDisplay:
    """Says what goes on beside the page, which shows the rest."""

    def __init__(self, session: SessionId) -> None:
        self.model = ScreenModel(session)

    def show(self, events: Sequence[Event]) -> None:
        """Keep up."""
        for event in events:
            self.model.fold(event, 0.0)

    def note(self, text: str) -> None:
        """Say something."""
        if text:
            click.echo(f"stenogram: {text}", err=True)
