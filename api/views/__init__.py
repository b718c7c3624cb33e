"""Views, served: as they are, as they were, and as they change."""
