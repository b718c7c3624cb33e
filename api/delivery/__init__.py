"""Delivery: from the hub's records to the bytes that subscribers get. No queue, task or timer per subscriber.

    hub → topic (ring) → group of subscribers at one place → one encoded frame → every transport

A subscriber is a cursor. Live cursors of a topic are all at the place that was flushed last, and share every frame. A
cursor whose transport is full, or that reads the past, has a place of its own: it is fed from the ring or from shared
pages of the storage whenever its transport takes more, and joins the others when it has caught up.
"""
