"""The way to the gateway: one connection, commands, subscriptions, HTTP."""
