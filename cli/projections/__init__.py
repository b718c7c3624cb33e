"""`stenogram projections`: what operators do with views."""
