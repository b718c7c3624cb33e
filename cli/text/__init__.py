"""Sessions and events as text for people."""
