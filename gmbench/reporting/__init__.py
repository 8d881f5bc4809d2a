"""From rows to tables for people."""
