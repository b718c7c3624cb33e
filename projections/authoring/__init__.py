"""What projections are written with: documents, rows, typed handlers, effects."""
