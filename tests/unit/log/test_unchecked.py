"""What is made without checks has all its members."""

from stenogram.domain.session import decide
from stenogram.domain.state import State
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.records import Appended, Record
from stenogram.testing.command import command


async def test_named_tuples_made_without_checks_are_whole() -> None:
    delta = command("message.delta", message="m", index=0, text="Ti")
    async with Log(MemoryEngine()) as log:
        await log.submit(command("session.open"))
        await log.submit(command("message.start", message="m"))
        decision = decide(await log.state(delta.session), delta)
        result = await log.submit(delta)
        (record,) = await log.read_session(delta.session, 2, 1)
        state = await log.state(delta.session)
    message = state.messages.known["m"]
    made = [decision, decision.facts[0], result, record, state, message, message.streamed]
    assert all(len(each) == len(type(each)._fields) for each in made if each is not None)
    assert [type(each) for each in (result, record, state)] == [Appended, Record, State]
