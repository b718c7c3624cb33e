"""Connections of nine kinds that come and go, and a gateway that says what is left of them."""
