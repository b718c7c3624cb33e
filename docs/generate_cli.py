"""Writes docs/reference/cli.md from the command line's own help; a test asserts that it is up to date.

python docs/generate_cli.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from stenogram.cli.main import stenogram

PAGE = Path(__file__).parent / "reference" / "cli.md"
WIDTH = 100

HEAD = """\
# Command line

What `stenogram --help` and `stenogram COMMAND --help` print.

For commands that read a log, `--log` is a file or the URL of a gateway; you can read a file while a gateway writes it.
Commands that change a session need a gateway ([how to use them](../how-to/use-the-command-line.md)).
Results go to stdout, everything else to stderr. Colours, progress bars and the live screen appear on a terminal only;
`NO_COLOR` turns colours off.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused or failed: one line on stderr says what happened and what to do |
| 2 | the command line itself is wrong |
| 130 | interrupted with Ctrl-C |
| 141 | the reader of the output ended, as in `stenogram tail \\| head` |
"""


def page() -> str:
    """The whole page."""
    return "\n".join((HEAD, *_sections("stenogram", stenogram, None)))


def _sections(title: str, command: click.Command, above: click.Context | None) -> Iterator[str]:
    """What a command says of itself, and then each of its commands."""
    with click.Context(
        command,
        info_name=title.rpartition(" ")[2],
        parent=above,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    ) as context:
        yield f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            for name, each in sorted(command.commands.items()):
                yield from _sections(f"{title} {name}", each, context)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
