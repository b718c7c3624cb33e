"""The Python client: agents and services speak to a gateway through it."""
