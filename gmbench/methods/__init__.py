"""Methods under test: controls, drop-in folders of videos, and their cards."""
