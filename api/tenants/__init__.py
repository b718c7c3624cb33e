"""Tenants: each has a log with its feed and its views. Tenants share nothing, not even positions, and no faults."""
