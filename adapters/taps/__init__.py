"""Taps: what the agents of a framework do, recorded as it happens, by one line in the program that runs them.

    framework's callbacks ──► RunRecord ──► Backlog │ RunWriter ──► sessions of a gateway
          the program's own threads                 │ a thread of the tap's own

A run is a task of the session (`run.…`): its input, how it ended, its result. Each agent of the framework takes part by
itself. What it says is streamed as a message, with what it thought and what that took; its tools are calls, with
arguments and results. An agent that works inside a tool call of another one is a sub-agent: what it says is for the
team, unless the tap is told otherwise.

The program is never broken, and never waits: what there is to record is left in a backlog of bounded size, and whatever
goes wrong behind it is logged (`stenogram.adapters.taps`). While the gateway is away, the backlog fills. When it is
full, texts end where they are, and calls and messages that begin are left out; what has begun is ended all the same.
Each message and call says how much of it is `dropped`, and the run how many there are of which nothing was kept.
"""
