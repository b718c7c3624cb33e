"""The OpenAPI description of the HTTP routes."""
