"""DICE-Talk's acceptance test 6, and what test 4 asks of the bank: of priors of people whom nobody has met."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from gmbench.methods.dicetalk.bank import EmotionBank
from gmbench.nn.vq import usage
from tests.acceptance.dice_embedder import person_accuracy
from tests.acceptance.outcome import Outcome, at_least, at_most, reported

PERMUTATIONS = 20
Labels = Sequence[str] | np.ndarray


class BankMeasures:
    """Measures of one trained bank.

    Args:
        bank: in evaluation mode.
        learnt: (N, d) priors of training clips, with their emotions.
        test: (M, d) priors of other people's clips, with emotions and people.
    """

    def __init__(
        self, bank: EmotionBank, learnt: np.ndarray, learnt_emotions: Labels, test: np.ndarray, emotions: Labels,
        people: Labels,
    ) -> None:  # fmt: skip
        self.bank = bank
        self.learnt, self.test = (torch.from_numpy(np.asarray(x, np.float32)) for x in (learnt, test))
        self.labels, self.emotions, self.people = (np.asarray(x) for x in (learnt_emotions, emotions, people))

    def outcomes(self) -> list[Outcome]:
        """Every measure; none of a system without retrieval."""
        return [*self.entries(), *self.leakage(), self.dilution()] if self.bank.settings.kind == "bank" else []

    @torch.inference_mode()
    def entries(self) -> list[Outcome]:
        """Test 6: entries belong to emotions."""
        trained, asked = self._nearest(self.learnt), self._nearest(self.test)
        used, perplexity = usage(asked, self.bank.settings.entries)
        nearest = [found.numpy() for found in (trained, asked)]
        generator = np.random.default_rng(0)
        permuted = [purity(*nearest, generator.permutation(self.labels), self.emotions) for _ in range(PERMUTATIONS)]
        return [
            at_least(6, "purity of the bank's entries", purity(*nearest, self.labels, self.emotions), 0.6),
            at_most(6, "purity, training labels permuted", permuted, 0.25),
            at_least(6, "entries that are used", used * self.bank.settings.entries, 8.0),
            at_least(6, "their perplexity", perplexity, 5.0),
        ]

    @torch.inference_mode()
    def leakage(self) -> list[Outcome]:
        """Test 4: the person from what the bank makes of priors."""
        tokens = self.bank(self.test, all_entries=True).tokens.flatten(1).numpy()
        entries = self.bank.table.codes[self._nearest(self.test)].numpy()
        return [
            reported(4, f"person from the bank's {name}", person_accuracy(x, self.people))
            for name, x in (("tokens", tokens), ("entry", entries))
        ]

    @torch.inference_mode()
    def dilution(self) -> Outcome:
        """Cosine of the tokens of all entries, as at generation, and of the retrieved one, as in training."""
        every, one = (self.bank(self.test, all_entries=kind).tokens.flatten(1) for kind in (True, False))
        cosine = float(F.cosine_similarity(every, one).mean())
        return reported(6, "cosine of tokens by all entries and by the retrieved one", cosine)

    def _nearest(self, priors: torch.Tensor) -> torch.Tensor:
        indices = self.bank(priors).indices
        if indices is None:
            raise RuntimeError("a bank with retrieval gives indices")
        return indices


def purity(trained: np.ndarray, asked: np.ndarray, labels: Labels, emotions: Labels) -> float:
    """Share of test priors whose entry belongs to their emotion.

    Args:
        trained, asked: (N,) and (M,) entries that training and test priors are nearest to.
        labels, emotions: of them; an entry belongs to the most frequent label of its training priors.
    """
    owners = {
        int(entry): Counter(np.asarray(labels)[trained == entry].tolist()).most_common(1)[0][0]
        for entry in np.unique(trained)
    }
    return float(np.mean([owners.get(int(entry)) == e for entry, e in zip(asked, emotions, strict=True)]))
