"""The pages of the documentation whose Python is run, and how: as a reader would, each program in a process of its own.

A page is one program; or each of its blocks is a file of its own; or it is a guide: a program at the top, and snippets
below it, which are run in the blocks that the page names.
"""

import asyncio
import os
import re
import sys
import textwrap
from pathlib import Path
from typing import Literal, NamedTuple

ROOT = Path(__file__).parents[2]
DOCUMENTED = "http://127.0.0.1:8600"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

_GUIDE = """
import ast, asyncio, inspect
from stenogram.client import Client
from uuid import uuid4

async def guide(snippets):
    async with (
        Client({url!r}, participant="hotels") as client,
        Client({url!r}, participant="ann", kind="user") as other,
        client.agent(session=uuid4().hex) as agent,
        other.session(agent.session.id) as ann,
    ):
        names = {{"__name__": "guide", "client": client, "agent": agent, "session": agent.session, "ann": ann}}
        names["asyncio"] = asyncio
        for snippet in snippets:
            code = compile(snippet, {page!r}, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if inspect.isawaitable(made := eval(code, names)):
                await made

asyncio.run(guide({snippets!r}))
"""


_TYPED_GUIDE = """\
import asyncio
from stenogram.client import Agent, Client, Session


async def guide(client: Client, session: Session, agent: Agent, ann: Session) -> None:
"""


class Page(NamedTuple):
    """A page, how its Python is run, and what that says."""

    path: str
    kind: Literal["program", "files", "guide"]
    says: str = ""

    def modules(self) -> list[str]:
        """Its Python as modules that a type checker understands."""
        blocks = BLOCK.findall((ROOT / self.path).read_text())
        if self.kind == "guide":
            return [blocks[0], _TYPED_GUIDE + textwrap.indent("\n".join(blocks[1:]), "    ")]
        return blocks if self.kind == "files" else ["\n".join(blocks)]

    def programs(self, url: str) -> list[str]:
        """What to run, one after the other, with a gateway."""
        blocks = BLOCK.findall((ROOT / self.path).read_text().replace(DOCUMENTED, url))
        assert blocks, f"{self.path} shows no Python"
        if self.kind == "program":
            return ["\n".join(blocks)]
        if self.kind == "files":
            return blocks
        return [blocks[0], _GUIDE.format(url=url, page=self.path, snippets=blocks[1:])]

    async def run(self, url: str, **environment: str) -> str:
        """Run it with a gateway, to its good end; what it printed."""
        said = [await run(sys.executable, "-c", program, **environment) for program in self.programs(url)]
        assert self.says in "".join(said), said
        return "".join(said)


PAGES = (
    Page("README.md", "program", "hotels task.completed"),
    Page("docs/tutorials/quickstart.md", "files", "The hotel is {'name': 'Casa Azul', 'chosen': "),
    Page("docs/tutorials/team-of-agents.md", "program", "The booking is completed."),
    Page("docs/how-to/use-the-client.md", "guide", "x.checked"),
    Page("docs/how-to/run-an-agent.md", "guide", "book {'nights': 3}"),
    Page("docs/how-to/serve-many-sessions.md", "program", "Lisbon: Casa Azul\nPorto: Casa Azul"),
    Page(
        "docs/how-to/write-a-projection.md",
        "program",
        "spent 312\nbefore 300\ndearest Hotel Tivoli\nsessions ['lisbon']",
    ),
    Page("docs/how-to/use-ag-ui.md", "program", '"result":{"hotels":3}'),
    Page("docs/how-to/use-langchain.md", "program", '"event":"completed"'),
    Page("docs/how-to/use-tanstack-ai.md", "program", "2 messages"),
    Page("docs/how-to/use-opentelemetry.md", "program", "message.posted person\n"),
    Page("docs/how-to/use-under-openai-agents.md", "program", "'To Lisbon.'}]\nconcierge Casa Azul is free."),
    Page("docs/how-to/use-under-claude-agent-sdk.md", "program", "True Fix the login.\nclaude The login works."),
    Page("docs/how-to/use-under-pydantic-ai.md", "program", "4 2\nconcierge Casa Azul."),
    Page("docs/how-to/use-under-google-adk.md", "program", "'a view'}\nconcierge Casa Azul is free."),
    Page("docs/how-to/use-under-langgraph.md", "program", "'Casa Azul is free.']\nresearcher Casa Azul is free."),
    Page(
        "docs/how-to/record-a-coding-agent.md",
        "program",
        "message.started\ntool.called\ntool.returned\nmessage.completed",
    ),
)


async def run(*command: str, **environment: str) -> str:
    """Run a program to its good end; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()
