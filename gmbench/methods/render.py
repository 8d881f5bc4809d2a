"""``render``: coefficients drawn by the rasteriser, the ceiling of every method that goes through the face model.

``render`` draws the corpus' own coefficients where there are any, ``refit`` those that the fit stage found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmbench.corpus.truth import Truth
from gmbench.methods.card import MethodCard
from gmbench.morphable import coefficient_io
from gmbench.morphable.light import shade
from gmbench.morphable.model import FaceModel
from gmbench.morphable.render import Renderer, to_bytes

NAMES = ("render", "refit")
CARDS = {
    name: MethodCard(
        name, title, "rendered", ("video",), "video", "transfer", "transfer", "transfer",
        identity_mode="person_specific", from_reference=("pose", "eyes", "expression", "mouth"),
    )
    for name, title in (("render", "face model, true coefficients"), ("refit", "face model, fitted coefficients"))
}  # fmt: skip


@dataclass(frozen=True)
class CoefficientSource:
    """Where a clip's coefficients come from: the corpus' truth below ``truth``, else the folder of ``fitted`` ones."""

    fitted: Path
    truth: Path | None
    speaker: str
    clip_id: str


def frames(
    model: FaceModel, source: CoefficientSource, size: int, background: NDArray[np.uint8]
) -> Iterator[NDArray[np.uint8]]:
    """Frames (size, size, 3) of a clip, drawn over a background of that size.

    Raises:
        InputError: no coefficients of this clip or speaker.
    """
    if source.truth is not None:
        truth = Truth(source.truth)
        row = truth.speakers.loc[source.speaker]
        track = truth.frames(source.clip_id, ["beta", "rho", "light"])
        shape, texture = np.asarray(row["shape"]), np.asarray(row["texture"])
    else:
        person = coefficient_io.read_speaker(source.fitted, source.speaker)
        track = coefficient_io.read(source.fitted, source.speaker, source.clip_id)
        shape, texture = person["shape"], person["texture"]
    renderer = Renderer(model, shape, texture, size)
    full = model.join(track["beta"], track["rho"][:, 10:12])
    for t, placed in enumerate(renderer.placed(full, track["rho"])):
        colours = shade(renderer.albedo, model.normals(placed.vertices), track["light"][t].reshape(3, 9))
        rendering = to_bytes(placed.raster.interpolate(colours, model.triangles))
        yield np.where(placed.raster.covered[..., None], rendering, background)
