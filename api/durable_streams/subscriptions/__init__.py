"""Subscriptions of the Durable Streams protocol (§6 and §7), under the reserved path `__ds/`.

    PUT …/__ds/subscriptions/{id} → a session with a subscription (`domain.concepts.stream_subscriptions`)
    append anywhere → the keeper of each gateway → one wake → a webhook, or a message in the wake stream
    worker → claim, ack, callback, release → events of that session

Requests are by who made the subscription; a worker shows the token of its lease. Nothing is kept here: what a keeper
knows is read from the log when it starts.
"""
