"""Stage ``checkpoints``: which checkpoints each method's videos come from."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.checkpoints import write_checkpoints

if __name__ == "__main__":
    run_stage(lambda run, _: write_checkpoints(run))
