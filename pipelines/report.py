"""Stage ``report``: tables, pictures and the page."""

from gmbench.pipelines._start import stage
from gmbench.stages import report

if __name__ == "__main__":
    stage(report.report)
