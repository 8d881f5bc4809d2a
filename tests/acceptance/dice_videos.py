"""Acceptance tests 6, 11, 13 and 17 of DICE-Talk: of its bank and its videos."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from gmbench.datasets.manifest import ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.interface import EmotionSpec, GenRequest
from gmbench.nn.vq import usage
from gmbench.stages.capability_checks import measures
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.requests import RequestPlanner, build_request
from gmbench.store import digest
from tests.acceptance.outcome import Outcome, at_least, at_most

SCALES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)


class VideoMeasures:
    """Measures of one trained system on clips.

    Args:
        method: loaded.
        run: the project.
        rows: test clips.
    """

    def __init__(self, method: DiceTalk, run: PipelineRun, rows: Sequence[ClipRow]) -> None:
        self.method = method
        planner = RequestPlanner(run, method.card)
        self.requests = [build_request(method.card, planner.inputs(row, ()), _seed(row)) for row in rows]
        self.emotions = [row.emotion for row in rows]
        found = measures(run.params.datasets[run.paths.dataset])
        if found.emotion is None:
            raise RuntimeError(f"no judge of emotions: {found.missing}")
        self.landmarks, self.judge = found.landmarks, found.emotion

    def outcomes(self) -> list[Outcome]:
        """Every measure."""
        asked = self.accuracy(self.requests, self.emotions)
        nothing = [self._without_emotion(request) for request in self.requests]
        other = [SUITE_ORDER[(SUITE_ORDER.index(e) + 3) % 8] for e in self.emotions]
        permuted = [replace(r, emotion=EmotionSpec({e: 1.0})) for r, e in zip(self.requests, other, strict=True)]
        return [
            *self.bank(), at_least(11, "judge sees the label that was asked for", asked, 0.3),
            at_most(11, "judge sees it at an emotion scale of 0", self.accuracy(nothing, self.emotions), 0.25),
            at_most(11, "judge sees the clip's own where another was asked for",
                    self.accuracy(permuted, self.emotions), 0.2),
            Outcome(11, "judge sees that other one", self.accuracy(permuted, other)),
            *self.sweep(), self.seams(),
        ]  # fmt: skip

    def accuracy(self, requests: Sequence[GenRequest], emotions: Sequence[str]) -> float:
        """Share of videos in which the judge most often sees the emotion."""
        return float(np.mean([self.judged(r).argmax() == SUITE_ORDER.index(e)
                              for r, e in zip(requests, emotions, strict=True)]))  # fmt: skip

    def judged(self, request: GenRequest) -> np.ndarray:
        """Shares (8,) of frames in which the judge sees each emotion."""
        frames = np.stack(list(self.method.generate(request).frames))
        return np.asarray(self.judge(frames, self.landmarks(frames)))

    def sweep(self) -> list[Outcome]:
        """Test 13: a larger scale of sound and emotion shows more of the emotion; a clip of each."""
        chosen = [self.emotions.index(e) for e in dict.fromkeys(self.emotions)]
        return [
            Outcome(13, f"share of frames with the label at guidance {scale:g}", float(np.mean([
                self.judged(replace(self.requests[n], options={"guidance": scale}))[SUITE_ORDER.index(self.emotions[n])]
                for n in chosen
            ])))
            for scale in SCALES
        ]  # fmt: skip

    def bank(self) -> list[Outcome]:
        """Test 6: entries belong to emotions; of the test requests' priors."""
        bank = self.method.generator.sampler.network.bank
        if bank.settings.kind != "bank":
            return []
        priors = torch.from_numpy(np.stack([self.method.embed_emotion(request) for request in self.requests]))
        indices = bank(priors).indices
        if indices is None:
            raise RuntimeError("a bank with retrieval gives indices")
        used, perplexity = usage(indices, bank.settings.entries)
        groups: dict[int, list[str]] = {}
        for index, emotion in zip(indices.tolist(), self.emotions, strict=True):
            groups.setdefault(index, []).append(emotion)
        pure = sum(Counter(members).most_common(1)[0][1] for members in groups.values()) / len(self.emotions)
        return [
            at_least(6, "purity of the bank's entries", pure, 0.6),
            at_least(6, "entries that prompts use", used * bank.settings.entries, 8.0),
            at_least(6, "their perplexity", perplexity, 5.0),
        ]

    def seams(self) -> Outcome:
        """Test 17: changes at the first step's window borders over those within windows."""
        window = self.method.generator.sampler.window
        ratios = []
        for request in self.requests[::4]:
            frames = np.stack(list(self.method.generate(request).frames)[::2]).astype(np.float32)
            steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
            borders = np.arange(window - 1, len(steps), window)
            inside = np.setdiff1d(np.arange(len(steps)), borders)
            if len(borders):
                ratios.append(steps[borders].mean() / steps[inside].mean())
        return at_most(17, "change at window borders over that within", float(np.mean(ratios)), 1.3)

    def _without_emotion(self, request: GenRequest) -> GenRequest:
        return replace(request, options={"emotion_guidance": 0.0})


def _seed(row: ClipRow) -> int:
    return int(digest(row.clip_id, 0)[:8], 16)
