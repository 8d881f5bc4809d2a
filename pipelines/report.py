"""Stage ``report``: tables, pictures and the page."""

from gmbench.stages import report
from pipelines._start import stage

if __name__ == "__main__":
    stage(report.report)
