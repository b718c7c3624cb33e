"""Front-ends that speak protocols of their own: encoders over the same log, places, signals and audiences.

    session events → facts (what begins and ends with each) → a protocol's encoder → the delivery's shared frames

No protocol has storage, and none is a second truth. What a stream needs besides the events that it is about to get, it
takes from the session's state: what came before (the snapshot at its start), and how it ends.

- `speech_fold`, `session_facts`: what else happens with an event: a message's text begins, a thought ends.
- `run_fold`, `snapshot_steps`: what becomes of the runs by it, and whether a snapshot comes with it.
- `transcript`: what was said before, for who joins late.
- `envelopes`, `placed`: what all protocols take of an event, and the places behind theirs.
- `turn`, `turn_requests`, `turn_watch`: a run is a person's turn: a task, whose end is the run's.
- `turn_stream`: one connection that follows a turn, from its snapshot to its end.
- `service`, `addresses`: what the handlers of all protocols share.
"""
