"""What every store of views must do."""
