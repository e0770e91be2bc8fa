"""The judge: load once, ask, read."""
