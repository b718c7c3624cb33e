"""The floor of a session: which agents may address the people in it."""

from .session_port import SessionPort


class Floor:
    """The floor of a session (`session.floor`): users, services and agents that have it may move it. What other agents
    say is recorded for the team alone."""

    def __init__(self, session: SessionPort) -> None:
        self._session = session

    @property
    def speakers(self) -> frozenset[str] | None:
        """The agents that may address users; None: all."""
        return self._session.live.state.floor

    async def give(self, *agents: str) -> None:
        """Give it to these agents alone; to none of them, when none is named."""
        await self._session.unless_known("floor.move", {"speakers": list(agents)})

    async def open(self) -> None:
        """Give it to every agent."""
        await self._session.unless_known("floor.move", {})
