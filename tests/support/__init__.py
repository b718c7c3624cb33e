"""What tests and benchmarks share and no user needs: servers to start, raw clients of the protocol."""
