"""Events as lines: the columns that `tail` and `replay` print, in colour on a terminal."""

from datetime import datetime

from rich.console import Console
from rich.text import Text

from ...domain.model import Event
from .console import stderr, stdout
from .event_words import in_words

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta")


class Palette:
    """Gives each participant a colour, in the order in which they first act; the same on every run."""

    def __init__(self) -> None:
        self._colours: dict[str, str] = {}

    def of(self, participant: str) -> str:
        """The participant's colour."""
        return self._colours.setdefault(participant, COLOURS[len(self._colours) % len(COLOURS)])


class EventLines:
    """Prints events, one a line. `session_column` names each event's session; `whole` does not shorten."""

    def __init__(self, *, session_column: bool = False, whole: bool = False) -> None:
        self._console = stdout()
        self._remarks = stderr()
        self._session_column = session_column
        self._whole = whole
        self._palette = Palette()

    def print(self, events: list[Event]) -> None:
        """Print a page of events and flush."""
        if self._console.is_terminal:
            for event in events:
                self._console.print(self._styled(event), no_wrap=True, crop=not self._whole, overflow="ellipsis")
        else:
            self._console.file.write("".join(f"{self._plain(event)}\n" for event in events))
        self._console.file.flush()

    def remark(self, text: str) -> None:
        """Print a line of our own between events, on stderr."""
        self._remarks.print(Text(f"– {text}", "dim"))

    def _plain(self, event: Event) -> str:
        return "  ".join((*self._columns(event), in_words(event, 0 if self._whole else 300))).rstrip()

    def _columns(self, event: Event) -> tuple[str, ...]:
        session = (f"{event.session:<16}",) if self._session_column else ()
        return (*session, f"{event.version:>5}", clock(event.time), f"{event.actor:<12}", f"{event.type:<17}")

    def _styled(self, event: Event) -> Text:
        colour = self._palette.of(event.actor)
        *session, version, time, actor, type = self._columns(event)
        line = Text().append("".join(f"{each}  " for each in session), "dim")
        line.append(f"{version}  ", "bold").append(f"{time}  ", "dim").append(f"{actor}  ", colour)
        line.append(f"{type}  ", "dim")
        line.append(in_words(event, 0 if self._whole else max(self._console.width, 40)))
        return line


def clock(time: datetime) -> str:
    """The time of day in the local time zone, to the millisecond."""
    return time.astimezone().strftime("%H:%M:%S.%f")[:-3]


def write_raw(page: list[bytes], console: Console) -> None:
    """Print wire envelopes as they are, one a line, and flush."""
    console.file.write(b"\n".join((*page, b"")).decode())
    console.file.flush()
