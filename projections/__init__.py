"""Read models: what projections keep of the log, and the runner that keeps it current."""
