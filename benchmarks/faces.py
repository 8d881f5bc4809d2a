"""Speed of the rasteriser, of fitting, and of making the corpus; memory of the corpus with more clips."""

import tempfile
from pathlib import Path

from benchmarks.timing import seconds as timed
from gmbench.corpus.make import make, record_take
from gmbench.corpus.takes import CorpusSettings, draw_tracks, takes
from gmbench.executor import one_thread
from gmbench.morphable import fitting
from gmbench.morphable.camera import project
from gmbench.morphable.energy import LandmarkEnergy
from gmbench.morphable.landmarks_478 import SPARSE
from gmbench.morphable.model import place
from gmbench.morphable.raster import rasterise
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.store import Store


def measure(folder: Path, clips: Path | None) -> list[tuple[str, str, str]]:
    """Rows of the table."""
    model, settings = synthetic_model(), CorpusSettings()
    take = takes(settings)[0]
    tracks = draw_tracks(model, settings, take)
    person, full, rho = tracks.performer, tracks.performance.full, tracks.performance.rho
    vertices = model.vertices(model.identity(person.shape), full, rho[:, 6:10])
    placed = place(vertices, rho)
    rows = []
    with one_thread():
        for side in (128, 256, 512):
            points, depth = project(placed[0], side)
            seconds = timed(lambda s=side, p=points, d=depth: rasterise(p, d, model.drawn_triangles, s, s))
            rows.append(
                (f"rasteriser, {len(model.drawn_triangles)} triangles, {side} px", f"{1 / seconds:.0f} frames/s", "–")
            )
        landmarks = model.landmark_points(person.shape, full, rho, 256)
        for name, chosen, goal in (("134", SPARSE, "≥ 100 frames/s"), ("478", None, "≥ 20 frames/s")):
            energy = LandmarkEnergy(model, 256, chosen)
            seconds = timed(lambda e=energy: fitting.fit_track(e, person.shape, landmarks))
            rows.append((f"fitting, {name} landmarks, one core", f"{len(landmarks) / seconds:.0f} frames/s", goal))
        seconds = timed(lambda: record_take((settings, take)))
        rows.append(
            (
                "corpus clip with sound, video and truth, 128 px, one core",
                f"{settings.frames / seconds:.0f} frames/s",
                "–",
            )
        )
    rows.append(("corpus, memory of the process after 10 and 40 clips", _memory(), "flat"))
    return rows


def _memory() -> str:
    """Resident memory in MB while clips are made one after another in this process."""
    figures = []
    for sentences in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            settings = CorpusSettings(
                speakers=2, emotions=("happy", "sad", "angry", "fear", "neutral"), levels=(3,), sentences=sentences
            )
            make(Path(folder) / "data", settings, Store(Path(folder) / "store"))
            status = Path("/proc/self/status").read_text()
            figures.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    return " and ".join(f"{value:.0f} MB" for value in figures)
