"""Draw five people of the synthetic corpus in eight emotions: ``python docs/faces.py docs/corpus.jpg``."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from gmbench.corpus.drawing import draw
from gmbench.corpus.takes import CorpusSettings, draw_content, takes
from gmbench.emotions import SUITE_ORDER
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.reporting.images import contact_sheet, save


def main(target: str) -> None:
    """One frame of each speaker's first take of each emotion at full strength."""
    settings, model = CorpusSettings(speakers=5, levels=(3,), sentences=1, size=160), synthetic_model()
    rows = [[] for _ in range(settings.speakers)]
    for take in takes(settings):
        content, moment = draw_content(model, settings, take), [20]
        performance = content.performance
        still = replace(performance, full=performance.full[moment], rho=performance.rho[moment])
        look = replace(content.look, light=content.look.light[moment])
        drawn = next(draw(model, content.performer, still, look, content.generator))
        rows[take.speaker].append(np.asarray(drawn.image))
    save(Path(target), contact_sheet(rows, SUITE_ORDER))


if __name__ == "__main__":
    main(sys.argv[1])
