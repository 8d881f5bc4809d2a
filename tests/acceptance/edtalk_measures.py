"""EDTalk's acceptance tests 1 to 7, 10, 11 and 14: bases, swaps, self-driven videos, lips and pose from sound."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from gmbench.methods.edtalk.checkpoints import CHECKPOINTS
from gmbench.methods.edtalk.decouple_training import SWITCH_SIDE, load_decoupled
from gmbench.methods.edtalk.expression_training import with_expression
from gmbench.methods.edtalk.frames import MOUTH
from gmbench.methods.edtalk.method import EDTalk
from gmbench.methods.edtalk.mouths import switch_mouth
from gmbench.methods.edtalk.settings import Decouple, Expression, Spaces
from gmbench.methods.edtalk.teachers import FaceTeacher
from gmbench.methods.pictures import resize
from tests.acceptance.edtalk_clips import Drawing, HeldOutClip, driver_pairs
from tests.acceptance.edtalk_swaps import draw_expression_swap, draw_identity_swap, draw_swap
from tests.acceptance.judges import Judges, large
from tests.acceptance.maths import correlation, mean, mean_difference, mouth_distance, psnr, ratio
from tests.acceptance.outcome import Outcome, at_least, at_most, reported
from tests.acceptance.swaps import (
    Leakage,
    Swap,
    expression_swaps,
    identity_swaps,
    leakage,
    mouth_swaps,
    pose_swaps,
)

PAIRS = 16
"""Clips that drive a source of another person."""
SWITCHED_STEP = 10
"""Frames between those whose mouths are switched."""


class EDTalkMeasures:
    """Numbers of one trained system on held-out clips.

    Args:
        method: loaded.
        clips: held out.
        judges: see what is drawn.
        pairs: most drivers of another person.
    """

    def __init__(self, method: EDTalk, clips: Sequence[HeldOutClip], judges: Judges, pairs: int = PAIRS) -> None:
        self.method, self.clips, self.judges = method, clips, judges
        self.drawing = Drawing(method, clips)
        self.pairs = driver_pairs(clips, pairs)

    def outcomes(self) -> list[Outcome]:
        """All of them but tests 2 and 14, which ask how it was trained."""
        return [
            *self.bases(), *mouth_swaps(self.swaps), *pose_swaps(self.swaps), *self.expressions(),
            *self.leakage.outcomes(), *self.self_driven(), *self.lips(), *self.poses(), *self.identities(),
        ]  # fmt: skip

    def bases(self) -> list[Outcome]:
        """Test 1."""
        if self.drawing.network.spaces.banks is None:
            return []
        bases = torch.cat(self.drawing.network.spaces.banks(), 1).cpu()
        worst = float((bases.T @ bases - torch.eye(bases.shape[1])).abs().max())
        return [at_most(1, "bases: largest error of orthonormality", worst, 1e-5)]

    def switched_mouths(self, settings: Decouple) -> list[Outcome]:
        """Test 2: the landmarker sees the donor's mouth where it was pasted, and the host's head."""
        widths = settings.box * SWITCH_SIDE, settings.feather * SWITCH_SIDE
        away, turned = [], []
        for host, donor in self.pairs:
            films = [large(self.clips[n].film()[::SWITCHED_STEP]) for n in (host, donor)]
            points = [self.judges.points(film).astype(np.float32) for film in films]
            for k in range(min(map(len, films))):
                a, b = points[0][k], points[1][k]
                if not np.isfinite([a, b]).all():
                    away.append(float("nan"))
                    turned.append(float("nan"))
                    continue
                made, placed = switch_mouth(films[0][k], a, films[1][k], b, *widths)
                found = self.judges.see([made])
                away.append(mean(np.linalg.norm(found.points[0, MOUTH] - placed, axis=1)))
                turned.append(mean_difference(found.angles, self.judges.see(films[0][k : k + 1]).angles))
        return [
            at_most(2, "switched mouths: landmarks from where they were pasted, pixels of 128", away, 2.5),
            at_most(2, "switched mouths: pose from the host's, degrees", turned, 2.0),
        ]

    @cached_property
    def swaps(self) -> list[Swap]:
        """Films of tests 3, 4 and 6."""
        return [draw_swap(self.drawing, self.judges, *pair) for pair in self.pairs]

    @cached_property
    def leakage(self) -> Leakage:
        """Test 6's matrix."""
        return leakage(self.swaps)

    def expressions(self) -> list[Outcome]:
        """Test 5."""
        found = [draw_expression_swap(self.drawing, self.judges, *pair) for pair in self.pairs]
        return expression_swaps([swap for swap in found if swap is not None])

    def identities(self) -> list[Outcome]:
        """Test 15."""
        return identity_swaps([draw_identity_swap(self.drawing, self.judges, *pair) for pair in self.pairs])

    def self_driven(self) -> list[Outcome]:
        """Test 7: self-driven videos beside the still source."""
        gains, drawn_lips, still_lips, turned = [], [], [], []
        for n in range(0, len(self.clips), 2):
            film = self.clips[n].film()
            small = np.stack([resize(frame, self.drawing.network.settings.side) for frame in film])
            drawn = self.drawing.draw(n, self.drawing.weights(n, len(film)))
            still = np.repeat(resize(self.clips[n].source, small.shape[1])[None], len(film), 0)
            gains.append(psnr(drawn, small) - psnr(still, small))
            real, moved, fixed = (self.judges.see(frames) for frames in (film, drawn, still))
            drawn_lips.append(mouth_distance(moved.points, real.points))
            still_lips.append(mouth_distance(fixed.points, real.points))
            turned.append(mean_difference(moved.angles, real.angles))
        share = ratio(mean(drawn_lips), mean(still_lips))
        return [
            at_least(7, "self-driven: PSNR over the still source, dB", gains, 2.0),
            at_most(7, "self-driven: M-NLMD over that of the still source", share, 0.6),
            at_most(7, "self-driven: error of the pose, degrees", turned, 3.0),
        ]

    def lips(self) -> list[Outcome]:
        """Test 10: weights of the mouth from sound against those of the video, five bases of largest variance."""
        count = len(self.clips)
        seen = [self.drawing.weights(n)["mouth"].cpu().numpy() for n in range(count)]
        largest = np.argsort(-np.concatenate(seen).var(axis=0))[:5]
        heard = [self.method._mouth(self.drawing.request(n)).cpu().numpy() for n in range(count)]

        def agreement(n: int, sound: int) -> float:
            return mean([correlation(heard[sound][:, k], seen[n][:, k]) for k in largest])

        own = at_least(
            10, "lips from sound: correlation with the video's", [agreement(n, n) for n in range(count)], 0.4
        )
        other = reported(
            10, "with another clip's sound", [agreement(n, (n + count // 2 + 1) % count) for n in range(count)]
        )
        return [own, Outcome(10, other.what, other.value, "<= half", other.value <= own.value / 2, other.note)]

    def poses(self) -> list[Outcome]:
        """Test 11: seeds differ, and velocities are as large as real ones."""
        scale = self.method.poses.scale.deviation
        drawn = [np.stack([self._pose(n, seed) for seed in range(10)]) / scale for n in {0, len(self.clips) // 2}]
        apart = [np.abs(part[:, None] - part[None]).mean() * 10 / 9 for part in drawn]
        tracks = [self.drawing.weights(n)["pose"].cpu().numpy() for n in range(len(self.clips))]
        real = np.concatenate([np.diff(track / scale, axis=0) for track in tracks]).std()
        speed = np.concatenate([np.diff(part, axis=1).reshape(-1, part.shape[2]) for part in drawn]).std()
        return [
            at_least(11, "pose: L1 between seeds in deviations", apart, 0.1),
            at_least(11, "pose: spread of velocities over real", float(speed / real), 0.5),
            at_most(11, "pose: the same", float(speed / real), 1.5),
        ]

    def mean_pose(self) -> list[Outcome]:
        """Test 11 of the regression: seeds do not differ."""
        apart = float(np.abs(self._pose(0, 0) - self._pose(0, 1)).max())
        return [at_most(11, "mean_pose: difference between seeds", apart, 0.0)]

    def trainable_share(self) -> Outcome:
        """Test 14: of the animator's numbers, those that stage 2 trains."""
        facts = CHECKPOINTS.read_facts(self._file("expression"), "expression")
        settings, spaces = Expression.model_validate(facts["settings"]), Spaces.model_validate(facts["spaces"])
        face = FaceTeacher(**facts["face"])
        whole = with_expression(load_decoupled(self._file("decouple")), settings, spaces, face)
        own = [p for name, p in whole.named_parameters() if not name.startswith("sight.face")]
        numbers = [(p.numel(), p.requires_grad) for p in own]
        share = sum(n for n, learns in numbers if learns) / sum(n for n, _ in numbers)
        return at_most(14, "share of the animator's parameters that stage 2 trains", share, 0.3)

    def _pose(self, clip: int, seed: int) -> np.ndarray:
        return np.asarray(self.method._pose(self.drawing.request(clip, seed)).cpu().numpy())

    def _file(self, name: str) -> Path:
        return self.method.folder / f"{name}.safetensors"
