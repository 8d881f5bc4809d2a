import dataclasses
import hashlib
import json
from collections import defaultdict

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gmbench import job_cache
from gmbench.audio.onsets import onset_envelope, onset_times
from gmbench.commands.app import app
from gmbench.corpus import lexicon, make, performance, probe, speech
from gmbench.corpus.takes import CorpusSettings, draw_tracks, takes
from gmbench.corpus.truth import Truth
from gmbench.datasets import readers, splits
from gmbench.datasets.check import check
from gmbench.datasets.manifest import TEST, TRAIN, TUNE, ClipRow
from gmbench.emotions import SUITE_ORDER
from gmbench.errors import InputError
from gmbench.media import Video, read_audio
from gmbench.morphable.synthetic.model import synthetic_model
from gmbench.store import Store

SETTINGS = CorpusSettings(
    speakers=2, emotions=("angry", "happy", "neutral"), levels=(1, 3), sentences=2, frames=40, size=96,
    pretraining_speakers=2, pretraining_clips=1,
)  # fmt: skip


def digests(root):
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    make.make(root / "data", SETTINGS, Store(root / "store"))
    return root


@pytest.fixture(scope="module")
def model():
    return synthetic_model()


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(corpus, tmp_path):
    make.make(tmp_path / "again", SETTINGS, Store(tmp_path / "store"), workers=2)
    assert digests(tmp_path / "again") == digests(corpus / "data")


def test_another_seed_gives_other_people(corpus, tmp_path):
    small = dataclasses.replace(SETTINGS, seed=1, speakers=1, sentences=1, levels=(3,), pretraining_speakers=0)
    make.make(tmp_path / "other", small, Store(tmp_path / "store"))
    path = "M001/video/front/angry/level_3/001.mp4"
    assert digests(tmp_path / "other")[path] != digests(corpus / "data")[path]


def test_a_second_run_draws_nothing_again(corpus, tmp_path, monkeypatch):
    def drawn(argument):
        raise AssertionError(f"drawn again: {argument}")

    monkeypatch.setattr(make, "record_take", drawn)
    make.make(tmp_path / "again", SETTINGS, Store(corpus / "store"))
    assert digests(tmp_path / "again") == digests(corpus / "data")


def test_meads_and_voxceleb2s_readers_read_it(corpus):
    assert readers.recognise(corpus / "data") == "synth"
    report = check("synth", corpus / "data")
    assert report.problems == []
    assert len(report.rows) == 2 * (2 * 2 + 1) * 2
    assert {row.split for row in report.rows} == {"train", "test"}
    assert len(readers.read("mead", corpus / "data").rows) == len(report.rows)
    assert len(check("voxceleb2", corpus / "data" / "pretraining").rows) == 2


def test_unseen_speakers_change_nothing_else_and_have_a_reader_of_their_own(corpus, tmp_path):
    settings = dataclasses.replace(SETTINGS, unseen_speakers=2)
    make.make(tmp_path / "data", settings, Store(corpus / "store"))
    files = digests(tmp_path / "data")
    unseen = {name for name in files if name.startswith("unseen/")}
    assert {name: files[name] for name in files.keys() - unseen} == digests(corpus / "data")
    root = tmp_path / "data" / "unseen"
    assert readers.recognise(tmp_path / "data") == "synth"
    assert readers.recognise(root) == "synth_unseen"
    report = check("synth_unseen", root)
    assert report.problems == []
    assert [row.speaker for row in report.rows] == ["M501"] * 3 + ["W502"] * 3
    assert {(row.emotion, row.level) for row in report.rows} == {("angry", 3), ("happy", 3), ("neutral", 1)}
    assert {row.split for row in report.rows} == {"test"}
    assert {row.speaker for row in check("synth", tmp_path / "data").rows} == {"M001", "W002"}
    truth = Truth(root)
    assert list(truth.clips.index) == [row.clip_id for row in report.rows]
    assert truth.frames("synth_unseen/W502/happy/3/001")["beta"].shape == (40, 169)
    assert all((root / clip.video).exists() and (root / clip.audio).exists() for clip in truth.clips.itertuples())


def test_clips_keep_their_keys_in_the_store():
    """Finished clips of corpora made before are found again."""
    drawing = make._drawing_settings(SETTINGS)
    key = make._key(drawing, takes(SETTINGS)[0])
    assert key == make._key(drawing, takes(dataclasses.replace(SETTINGS, unseen_speakers=3))[0])
    assert key == "03917fa6e86b2a33a80e26eb634e5f18ef41ba6f188ea1b66a7c34bd7ec76891"


def test_everything_drawn_is_stored(corpus, model):
    truth = Truth(corpus / "data")
    assert len(truth.clips) == len(takes(SETTINGS))
    clip = truth.clips.loc["synth/M001/angry/3/001"]
    frames = truth.frames(clip["clip_id"], ["beta", "rho", "light", "landmarks", "phoneme", "head", "shoulders"])
    assert frames["beta"].shape == (40, 169)
    assert frames["rho"].shape == (40, 12)
    person = truth.speakers.loc["M001"]
    full = model.join(frames["beta"], frames["rho"][:, 10:])
    drawn = model.landmark_points(np.asarray(person["shape"]), full, frames["rho"], 96)
    assert np.abs(drawn - frames["landmarks"]).max() < 0.01
    assert set(frames["phoneme"]) <= set(lexicon.PHONEMES)
    assert len(clip["phonemes"]) == len(clip["starts"]) == len(clip["ends"])
    assert clip["ends"][-1] == pytest.approx(40 / 25, abs=0.03)
    head = cv2.imdecode(np.frombuffer(frames["head"][0], np.uint8), cv2.IMREAD_GRAYSCALE)
    inside = frames["landmarks"][0][1].round().astype(int)
    assert head[inside[1], inside[0]] == 255
    assert 0.1 < (head > 127).mean() < 0.6
    assert not np.logical_and(head > 200, cv2.imdecode(np.frombuffer(frames["shoulders"][0], np.uint8), 0) > 200).any()
    with pytest.raises(InputError, match="no clip"):
        truth.frames("synth/M009/angry/3/001")
    with pytest.raises(InputError, match="gmbench corpus make"):
        Truth(corpus)


def test_files_match_their_truth(corpus):
    truth = Truth(corpus / "data")
    for clip in truth.clips.itertuples():
        assert Video(corpus / "data" / clip.video).info.frames == clip.frames == 40
        assert abs(len(read_audio(corpus / "data" / clip.audio)) - 40 * 640) < 2500


def test_three_quarters_of_the_sentences_hold_a_word_of_the_emotion(model):
    chosen = takes(CorpusSettings(speakers=2, levels=(1, 3), sentences=4))
    emotional = 0
    labelled = [take for take in chosen if take.emotion != "neutral"]
    for take in labelled:
        words = draw_tracks(model, SETTINGS, take).utterance.words
        emotional += bool(set(words) & set(lexicon.EMOTION_WORDS[take.emotion]))
    assert sum(take.emotional for take in labelled) == 0.75 * len(labelled)
    assert 0.55 < emotional / len(labelled) <= 0.75  # a word that no longer fits into the clip is left out


@pytest.mark.parametrize("levels", [(1, 3), (1, 2, 3), (3,)])
def test_words_of_the_emotion_stand_in_every_split_in_equal_shares(levels):
    """What a system could read from a word in training it meets as often in the clips that choose and that test."""
    labelled = [t for t in takes(CorpusSettings(speakers=4, levels=levels, sentences=4)) if t.emotion != "neutral"]
    rows = [ClipRow(t.clip_id, "synth", str(t.speaker), t.emotion, t.level, t.clip_id[-3:], "", "") for t in labelled]
    split = {row.clip_id: row.split for row in splits.last_sentences(rows)}
    shares = defaultdict(list)
    for take in labelled:
        for group in ("", take.emotion, take.level):
            shares[split[take.clip_id], group].append(take.emotional)
    assert {name for name, _ in shares} == {TRAIN, TUNE, TEST}
    whole = [np.mean(said) for (_, group), said in shares.items() if group == ""]
    assert whole == pytest.approx([0.75] * 3, abs=0.02)
    assert [np.mean(said) for said in shares.values()] == pytest.approx([0.75] * len(shares), abs=0.1)
    assert levels != (1, 3) or {np.mean(said) for (_, group), said in shares.items() if group in SUITE_ORDER} == {0.75}


def test_words_of_the_emotion_stand_in_other_sets_alike():
    settings = CorpusSettings(speakers=1, pretraining_speakers=64, pretraining_clips=1, unseen_speakers=4)
    for name in ("pretraining/", "synth_unseen/"):
        emotional = [t for t in takes(settings) if t.clip_id.startswith(name) and t.emotion != "neutral"]
        for emotion in {t.emotion for t in emotional}:
            assert np.mean([t.emotional for t in emotional if t.emotion == emotion]) == 0.75, (name, emotion)


def test_silence_is_a_tenth_to_a_quarter_and_speech_follows_its_times(model):
    shares, inside, outside = [], [], []
    for take in takes(SETTINGS)[:10]:
        tracks = draw_tracks(model, SETTINGS, take)
        utterance, sound = tracks.utterance, tracks.sound
        starts, ends, names = utterance.starts, utterance.ends, utterance.phonemes
        lengths = ends - starts
        silent = np.array([name == "SIL" for name in names])
        shares.append(lengths[silent].sum() / utterance.seconds)
        voiced = [
            (a, b)
            for a, b, n in zip(utterance.starts, utterance.ends, utterance.phonemes, strict=True)
            if n in lexicon.VOWELS
        ]
        level = lambda a, b, s=sound: np.sqrt((s[int(a * 16000) : int(b * 16000)].astype(float) ** 2).mean())  # noqa: E731
        inside += [level(a + 0.02, b - 0.02) for a, b in voiced if b - a > 0.06]
        outside.append(level(0, 0.08))
    assert 0.08 < np.mean(shares) < 0.35
    assert np.median(inside) > 20 * np.median(outside)


def test_the_mouth_takes_each_phonemes_shape():
    utterance = speech.compose(np.random.default_rng(3), "neutral", False, 75)
    track = performance.mouth_track(utterance, 75)
    press, jaw = performance.MOUTH.index("lips_press"), performance.MOUTH.index("jaw_open")
    frames = speech.phoneme_frames(utterance, 75)
    closed = [t for t, name in enumerate(frames) if name in ("M", "P")]
    wide = [t for t, name in enumerate(frames) if name in ("AA", "AE")]
    assert track[closed, press].mean() > 0.4 > 2 * track[wide, press].mean()
    assert track[wide, jaw].mean() > 0.3 > track[closed, jaw].mean()


def test_head_beats_follow_stressed_onsets_by_0_to_2_frames(model):
    """The drawn beats exactly; speed of the drawn motion is least there; sound begins there."""
    settings = CorpusSettings(speakers=2, sentences=2, frames=75)
    lags, still, heard = [], [], []
    for take in takes(settings)[::4]:
        tracks = draw_tracks(model, settings, take)
        utterance, sound, performed = tracks.utterance, tracks.sound, tracks.performance
        onsets = np.round(utterance.stressed * 25).astype(int)
        lags += [min((b - o for o in onsets if b - o >= 0), default=99) for b in performed.beats]
        speed = np.linalg.norm(np.diff(performed.rho[:, :3], axis=0), axis=1)
        inner = [b for b in performed.beats if 3 <= b < 71]
        still += [speed[b - 1 : b + 1].mean() / speed.mean() for b in inner]
        found = onset_times(onset_envelope(sound))
        heard += [np.abs(found - s).min() for s in utterance.stressed if len(found)]
    assert set(lags) <= {0, 1, 2}
    assert np.median(still) < 0.5
    assert np.median(heard) < 0.08


def test_motion_has_random_signs(model):
    settings = CorpusSettings(speakers=1, sentences=6, frames=75)
    signs = []
    for take in takes(settings)[:20]:
        performed = draw_tracks(model, settings, take).performance
        pitch = performed.rho[:, 0] - performed.rho[:, 0].mean()
        signs += list(np.sign(pitch[performed.beats]))
    assert 0.3 < np.mean(np.array(signs) > 0) < 0.7


def test_pretraining_moves_more(model):
    chosen = takes(CorpusSettings(speakers=4, sentences=1, levels=(3,), pretraining_speakers=4, pretraining_clips=4))
    spread = {large: [] for large in (True, False)}
    for take in chosen:
        performed = draw_tracks(model, SETTINGS, take).performance
        spread[take.large_motion].append(performed.rho[:, :3].std(axis=0).mean())
    assert np.mean(spread[True]) > 1.4 * np.mean(spread[False])


def test_emotion_pairs_share_their_second_style(model):
    def distance(a, b, style):
        return np.linalg.norm(performance.emotion_vector(model, a, style) - performance.emotion_vector(model, b, style))

    for first, second in performance.PAIRS.items():
        assert distance(first, second, 1) < 0.3 * distance(first, second, 0)
    with pytest.raises(ValueError, match="unknown emotion"):
        performance.emotion_vector(model, "bored", 0)


@pytest.mark.slow
def test_probes_reach_their_bands():
    """Sound hints, shape and skin each leave doubt, together they suffice."""
    result = CliRunner().invoke(app, ["corpus", "probe", "--json"])
    rows = json.loads(result.stdout)["rows"]
    assert [row["from"] for row in rows] == list(probe.BANDS)
    for row in rows:
        assert row["low"] <= row["accuracy"] <= row["high"], row
    assert result.exit_code == 0


def test_a_probe_outside_of_its_band_is_named(monkeypatch):
    monkeypatch.setattr(probe, "accuracies", lambda features: dict.fromkeys(probe.BANDS, 0.95))
    monkeypatch.setattr(probe, "collect", lambda model, settings, report: None)
    result = CliRunner().invoke(app, ["corpus", "probe"])
    assert isinstance(result.exception, InputError)
    assert "outside of the band: audio, geometry, appearance;" in str(result.exception)


def test_probes_measure_what_they_say(model):
    """Noise in place of the sound tells nothing; the shape does, of two emotions that share no style."""
    features = probe.collect(
        model, CorpusSettings(speakers=1, emotions=("sad", "surprised"), levels=(3,), size=64, sentences=8)
    )
    assert features.audio.shape[0] == features.geometry.shape[0] == features.appearance.shape[0] == 16
    assert features.geometry.shape[1] == 2 * 171
    features = dataclasses.replace(features, audio=np.random.default_rng(0).normal(size=(16, 4)))
    measured = probe.accuracies(features, folds=2, trees=30)
    assert measured["audio"] < 0.75 < measured["geometry"]


def test_what_cannot_be_made_is_refused(tmp_path):
    for wrong in (
        {"emotions": ("bored",)},
        {"levels": (4,)},
        {"size": 33},
        {"frames": 10},
        {"speakers": 0},
        {"speakers": 501},
        {"unseen_speakers": 500},
    ):
        with pytest.raises(InputError):
            make.make(tmp_path, dataclasses.replace(SETTINGS, **wrong), Store(tmp_path / "store"))
    result = CliRunner().invoke(app, ["corpus", "make", str(tmp_path / "c"), "--levels", "one"])
    assert result.exit_code != 0


def test_failures_of_jobs_are_reasons(tmp_path):
    jobs = [job_cache.Job(str(n), f"{n:064d}", n) for n in range(4)]
    store = Store(tmp_path)
    assert job_cache.run_jobs(_odd, jobs, store) == {"1": "odd", "3": "odd"}
    assert job_cache.load(store, jobs[2]).arrays["n"][0] == 2
    with pytest.raises(Exception, match="run the stage again"):
        job_cache.load(store, jobs[1])


def _odd(number):
    if number % 2:
        raise InputError("odd")
    return {"n": np.array([number])}, {}
