"""The plain HTTP routes, their queries and their answers."""
