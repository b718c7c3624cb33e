"""The commands that change a session: on a gateway, as a participant, by the Python client."""
