"""Synthetic talking heads that need no licence."""
