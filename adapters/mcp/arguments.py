"""The arguments that several tools share, as a model reads them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MAX_WAIT_S = 50.0
"""Many clients give up a call after a minute."""
LEASE_S = 600.0
"""An agent at its tests, or deep in thought, makes no call for long."""
STALL_S = 600.0

SeatHandle = Annotated[str, Field(description="Your handle, as `join` returned it (or that of a task you hold).")]
TaskHandle = Annotated[str, Field(description="The handle that `claim` returned for the task.")]
Wait = Annotated[float, Field(ge=0, le=MAX_WAIT_S, description="Seconds to wait for something; at most 50.")]
Audience = Annotated[
    list[str] | None, Field(description="Who may see it: `users`, `agents`, names. Absent: everyone in the session.")
]
ReasonText = Annotated[str | None, Field(description="Why, in one sentence for people.")]
Answering = Literal["honour", "refuse"]


class NewTask(BaseModel):
    """A task to put on the board."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(description="What is to be done, in one line.")]
    input: Annotated[JsonValue, Field(description="Everything that whoever does it must know.")] = None
    task: Annotated[str | None, Field(description="An id of your choice, so that others can need it.")] = None
    needs: Annotated[list[str], Field(description="Ids of tasks that must be completed before it.")] = []
    assignee: Annotated[str | None, Field(description="Who alone may claim it. Absent: anyone.")] = None
    priority: Annotated[int, Field(description="Higher is claimed first.")] = 0
    dedupe_key: Annotated[
        str | None, Field(description="What it is for: a second task with this key is not created, the first is meant.")
    ] = None
    parent: Annotated[str | None, Field(description="The task that it is a part of.")] = None
    max_attempts: Annotated[int | None, Field(ge=1, description="It fails after so many attempts without result.")] = (
        None
    )
