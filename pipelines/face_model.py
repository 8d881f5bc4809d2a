"""Stage ``face_model``: write the face model that later stages read."""

from gmbench.pipelines._start import stage
from gmbench.stages.face_model import face_model

if __name__ == "__main__":
    stage(face_model)
