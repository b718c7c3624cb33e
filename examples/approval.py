"""An approval: an agent asks before it spends money, and goes on with what a person answers from another device.

Start a gateway (`stenogram serve`), then run this file. The address can be given in STENOGRAM_URL.
"""

import asyncio
import os
from uuid import uuid4

from stenogram.client import Client

URL = os.environ.get("STENOGRAM_URL", "http://127.0.0.1:8600")
SESSION = f"approval-{uuid4().hex[:6]}"  # one of its own for each run


async def agent() -> None:
    async with Client(URL, participant="hotels") as client, client.agent(session=SESSION) as agent:
        options = ["book", "look further"]
        answer = await agent.ask("Book Casa Azul for 420 €?", options, deadline=60, default="look further")
        print(f"The answer is: {answer}.")


async def phone() -> None:
    async with Client(URL, participant="ann", kind="user") as client, client.session(SESSION) as session:
        question = await session.approvals.next()
        print(f"{question.requester} asks: {question.question}")
        await session.approvals.answer(question.id, "book", comment="The one with the view.")


async def main() -> None:
    await asyncio.gather(agent(), phone())


asyncio.run(main())
