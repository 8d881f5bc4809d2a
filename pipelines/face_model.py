"""Stage ``face_model``: write the face model that later stages read."""

from gmbench.pipelines.command_line import run_stage
from gmbench.stages.face_model import face_model

if __name__ == "__main__":
    run_stage(face_model)
