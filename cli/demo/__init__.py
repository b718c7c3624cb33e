"""The demo: a team that plans a journey, with a script in place of a model and everything else real."""
