"""Stage ``report``: tables, pictures and the page."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages import report

if __name__ == "__main__":
    run_stage(report.report)
