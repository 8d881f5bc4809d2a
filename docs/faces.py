"""Draw five people of the synthetic corpus in eight emotions: ``python docs/faces.py docs/corpus.jpg``."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from gmbench.corpus import appearance
from gmbench.corpus.lexicon import EMOTIONS
from gmbench.corpus.make import CorpusSettings, rehearse, takes
from gmbench.morphable import synthetic_model
from gmbench.reporting.images import contact_sheet, save


def main(target: str) -> None:
    """One frame of each speaker's first take of each emotion at full strength."""
    settings, model = CorpusSettings(speakers=5, levels=(3,), sentences=1, size=160), synthetic_model()
    rows = [[] for _ in range(settings.speakers)]
    for take in takes(settings):
        person, _, _, acted, seen, generator = rehearse(model, settings, take)
        moment = [20]
        part = replace(acted, full=acted.full[moment], rho=acted.rho[moment])
        drawn = next(appearance.draw(model, person, part, replace(seen, light=seen.light[moment]), generator))
        rows[take.speaker].append(np.asarray(drawn.image))
    save(Path(target), contact_sheet(rows, EMOTIONS))


if __name__ == "__main__":
    main(sys.argv[1])
