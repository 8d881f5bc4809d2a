"""The report page: one folder that opens from disk, a leaderboard, every clip beside its reference, no server."""

from gmbench.reporting.page.markup import Section
from gmbench.reporting.page.serve import server
from gmbench.reporting.page.write import CLIPS, PageContent, from_folders, write

__all__ = ["CLIPS", "PageContent", "Section", "from_folders", "server", "write"]
