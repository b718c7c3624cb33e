"""Contracts: what every implementation of a port must keep, as functions that a test module calls.

Each function is one sentence of the contract and raises AssertionError where it is broken. They need no test framework.
"""
