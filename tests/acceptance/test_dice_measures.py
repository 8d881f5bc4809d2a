"""DICE-Talk's measures where the right value is known, and all of them on a system that has hardly learnt anything."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gmbench.media import encode_video
from gmbench.methods.dicetalk.bank import EmotionBank
from gmbench.methods.dicetalk.method import DiceTalk
from gmbench.methods.dicetalk.settings import Bank
from gmbench.methods.interface import EmotionSpec, GenRequest, ReferenceClip
from tests.acceptance import dice_videos
from tests.acceptance.dice_bank import BankMeasures, purity
from tests.acceptance.dice_clips import DiceClip, drawn_otherwise
from tests.acceptance.dice_condition import ConditionMeasures
from tests.acceptance.dice_embedder import person_accuracy
from tests.acceptance.dice_videos import Scaled, VideoMeasures, emo_scores, guidance, seam, table_4
from tests.acceptance.guidance_figure import draw_guidance
from tests.acceptance.judges import Judges
from tests.methods.dicetalk.made import made_clips, small, write_networks

FRAMES = 12
NAN = float("nan")


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A system of three labels, and a held-out clip of each."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("dicetalk")
    write_networks(folder, small(sampling={"steps": 1}))
    method = DiceTalk()
    method.load(folder)
    clips = []
    for n, tracks in enumerate(made_clips(3)):
        generator = np.random.default_rng(n)
        sound = generator.normal(0, 2000, FRAMES * 640).astype(np.int16)
        frames, source = generator.integers(0, 255, (FRAMES, 32, 32, 3)), generator.integers(0, 255, (32, 32, 3))
        (path := folder / f"{n}.mp4").write_bytes(encode_video(iter(frames.astype(np.uint8)), sound, crf=12))
        own = ReferenceClip(f"c{n}", path, sound, tracks.beta[:FRAMES], tracks.rho[:FRAMES])
        label = GenRequest(f"c{n}", sound, EmotionSpec({tracks.emotion: 1.0}), source_image=source.astype(np.uint8))
        shown = replace(label, emotion=EmotionSpec(clip=path), reference=own) if n else None
        clips.append(DiceClip(label, shown, own, tracks.emotion, 1, tracks.speaker))
    return method, clips


def drawn(method, request):
    """Frames of a request."""
    return np.stack(list(method.generate(request).frames))


def test_entries_belong_to_the_emotion_of_most_training_priors():
    trained, labels = np.array([0, 0, 0, 1, 1]), ["sad", "sad", "happy", "happy", "happy"]
    asked, emotions = np.array([0, 1, 1, 0, 7]), ["sad", "happy", "sad", "happy", "sad"]
    assert purity(trained, asked, labels, emotions) == pytest.approx(2 / 5)


def test_a_bank_of_clear_emotions_is_pure_and_by_chance_it_is_not():
    torch.manual_seed(0)
    bank = EmotionBank(Bank(entries=8, width=16, tokens=2, heads=2), 8).eval()
    bank.project = torch.nn.Linear(8, 16)
    labels = np.repeat(np.arange(8).astype(str), 12)
    priors = 4 * np.eye(8)[np.repeat(np.arange(8), 12)] + np.random.default_rng(0).normal(0, 0.01, (96, 8))
    bank.start(torch.from_numpy(priors[::12].astype(np.float32)))
    people = np.tile(["a", "b", "b", "a"], 24)
    rows = BankMeasures(bank, priors, labels, priors, labels, people).outcomes()
    found = {row.what: row for row in rows}
    assert found["purity of the bank's entries"].value == 1
    assert found["purity, training labels permuted"].holds
    assert found["entries that are used"].value == pytest.approx(8)
    assert found["their perplexity"].value == pytest.approx(8)
    assert found["person from the bank's entry"].value < 0.8
    assert -1 <= rows[-1].value <= 1
    free = EmotionBank(Bank(kind="none", entries=8, width=16, tokens=2, heads=2), 8).eval()
    assert BankMeasures(free, priors, labels, priors, labels, people).outcomes() == []


def test_a_probe_knows_people_that_vectors_tell():
    people = np.array(["a", "a", "b", "b"] * 5)
    assert person_accuracy((people == "a")[:, None] * 4.0, people) == 1
    assert person_accuracy(np.ones((20, 2)), people) <= 0.5


class Reader:
    """A denoiser whose classifier calls windows by the nearest of some priors, and by the first class without one."""

    def __init__(self, settings, priors):
        self.settings, self.priors, self.spreads = settings, priors, []

    def __call__(self, x, sigma, conditions, all_entries=False):
        self.spreads.append(float(x.std()))
        logits = -torch.cdist(conditions.prior, self.priors)
        none = torch.zeros_like(logits)
        none[:, 0] = 1
        return SimpleNamespace(logits=torch.where(conditions.kept[:, 2:] > 0, logits, none))


def test_a_classifier_that_reads_the_condition_is_told_from_one_that_reads_the_latent(system, monkeypatch):
    method, clips = system
    priors = torch.from_numpy(np.stack([method.embed_clip(clip.own, "both") for clip in clips]))
    reader = Reader(method.generator.sampler.network.settings, priors)
    monkeypatch.setattr(method.generator.sampler, "network", reader)
    found = {row.what: row for row in ConditionMeasures(method, clips, (1.0, 50.0)).outcomes()}
    assert found["classifier from noise 5 on, true condition"].value == 1
    assert found["classifier from noise 5 on, no emotion"].value == pytest.approx(1 / 3)
    assert found["the same, another emotion's condition: windows called by that one"].value == 1
    assert max(reader.spreads) == pytest.approx(50, rel=0.2)
    blind = Reader(reader.settings, torch.zeros_like(priors))
    monkeypatch.setattr(method.generator.sampler, "network", blind)
    rows = ConditionMeasures(method, clips, (1.0, 50.0)).outcomes()
    assert [row.holds for row in rows if row.threshold] == [False, False]


def test_without_labels_the_classifier_has_no_value(system, monkeypatch):
    method, clips = system
    monkeypatch.setitem(method.generator.facts, "classes", [])
    rows = [row for row in ConditionMeasures(method, clips, (1.0, 50.0)).outcomes() if row.threshold]
    assert [(row.holds, row.note) for row in rows] == [(False, "0 of 0")] * 2


def test_without_sound_no_pass_hears_any(system):
    method, clips = system
    request = clips[0].by_label
    quiet = replace(request, audio=np.zeros_like(request.audio))
    with drawn_otherwise(method.generator, sound=False):
        silent = [drawn(method, one) for one in (request, quiet)]
    assert (silent[0] == silent[1]).all()
    assert (silent[0] != drawn(method, request)).any()


def test_the_sampler_is_put_back(system):
    generator = system[0].generator
    kept = generator.sampler
    with pytest.raises(ZeroDivisionError), drawn_otherwise(generator, shift=0):
        1 / generator.sampler.settings.shift
    assert generator.sampler is kept


def test_a_system_that_has_learnt_nothing_is_measured_to_the_end(system, tmp_path, monkeypatch):
    method, clips = system
    monkeypatch.setattr(dice_videos, "STEPS", 3)
    videos = VideoMeasures(method, clips[:2], Judges())
    rows = videos.outcomes()
    assert [row.test for row in rows] == [11] * 4 + [14] * 3 + [15] * 2 + [16] * 2 + [17] * 2
    assert videos.films("reference")[0] is None
    assert np.isfinite(videos.table_4("label")["f_sim"])
    swept = videos.guidance((1.0,))
    assert [len(at.probabilities) for at in swept.values()] == [2]
    draw_guidance(swept, tmp_path / "guidance")
    assert (tmp_path / "guidance.png").stat().st_size > 1000


def test_guidance_that_shows_more_at_a_cost():
    scales = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
    found = {s: Scaled([0.1 * s, NAN], [1 - 0.05 * s], 10 * s) for s in scales}
    rows = {row.what: row for row in guidance(found) if row.threshold}
    assert [row.value for row in rows.values()] == pytest.approx([1, 1, 1])
    flat = {s: Scaled([0.2], [0.9], 10.0) for s in scales}
    assert not any(row.holds for row in guidance(flat) if row.threshold)


def test_seams_are_changes_at_borders_over_those_inside():
    changes = np.ones(11)
    changes[[3, 7]] = 2
    assert seam(changes, 4) == pytest.approx(2)
    assert np.isnan(seam(np.ones(3), 4))


def test_table_4_has_the_papers_score_and_its_claims():
    seen = [("neutral", 0.6393), ("happy", 0.5101), ("surprised", 0.5101), ("angry", 0.6), ("angry", 0.4202)]
    numbers = emo_scores(seen)
    assert numbers["emo_score"] == pytest.approx(0.5424, abs=1e-4)
    assert numbers["emo_non_neutral"] == pytest.approx(0.5101)
    assert np.isnan(emo_scores(seen[:3])["emo_score"])
    full = numbers | {"f_sim": 0.87}
    rows = table_4({"full": full, "wo_bank": full | {"emo_score": 0.47}, "wo_discrimination": full})
    assert [(row.what, row.holds) for row in rows if row.claim] == [
        ("emo_score of full minus that of wo_discrimination", False),
        ("emo_neutral of wo_bank minus that of full", False),
    ]
