"""`hansard projections`: what operators do with views."""
