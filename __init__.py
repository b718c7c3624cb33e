"""Stenogram: an event-sourced session store for teams of AI agents.

Each folder beside this file is a room of the package: `domain` (the rules), `log` (the append-only log),
`projections` (read models), `api` (the gateway), `client` (for agents and services), `cli` and `testing`.
Import from the rooms themselves: ``from stenogram.domain.events import Event``.
"""

__version__ = "0.1.0"
