"""Stage ``face_model``: write the face model that later stages read."""

from gmbench.stages import prepare
from pipelines._start import stage

if __name__ == "__main__":
    stage(prepare.face_model)
