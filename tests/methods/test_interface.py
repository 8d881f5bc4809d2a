"""Cards, requests, systems, drop-in folders: what a method is to the benchmark."""

import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.methods import dropin, registry
from gmbench.methods.card import cards
from gmbench.methods.interface import (
    EmotionSpec,
    GenRequest,
    MissingInput,
    TrainedPart,
    UnsupportedEmotion,
    check_request,
)
from gmbench.methods.registry import System

SILENCE = np.zeros(6400, np.int16)


class TestEmotions:
    def test_spellings(self):
        assert EmotionSpec.parse("happy").weights == {"happy": 1.0}
        assert EmotionSpec.parse("Anger").weights == {"angry": 1.0}
        assert EmotionSpec.parse("happy:0.7").weights == pytest.approx({"happy": 0.7, "neutral": 0.3})
        assert EmotionSpec.parse("happy=0.5,angry=0.5").weights == {"happy": 0.5, "angry": 0.5}
        assert EmotionSpec.parse("sad").vector(("angry", "sad")).tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("text", "message"),
        [("joyous", "'joyous' is unknown"), ("happy=0.5,sad=0.6", "must sum to 1"), ("happy=2,sad=-1", "negative"),
         ("happy:much", "'much' is no number"), ("happy:1.5", "sum to 1|negative")],
    )  # fmt: skip
    def test_mistakes_are_named(self, text, message):
        with pytest.raises(InputError, match=message):
            EmotionSpec.parse(text)

    def test_an_emotion_that_was_not_learnt(self):
        with pytest.raises(UnsupportedEmotion, match="sad was not learnt; the method knows angry"):
            EmotionSpec.parse("sad").vector(("angry",))


class TestRequests:
    def test_what_is_missing_is_named(self):
        card = registry.create("gmtalker").card
        with pytest.raises(MissingInput, match="clip: GMTalker needs speaker"):
            check_request(card, GenRequest("clip", SILENCE, EmotionSpec({"sad": 1.0})))
        with pytest.raises(MissingInput, match="shorter than one frame"):
            check_request(card, GenRequest("clip", SILENCE[:300], EmotionSpec({"sad": 1.0}), "M001"))
        check_request(card, GenRequest("clip", SILENCE, EmotionSpec({"sad": 1.0}), "M001"))

    def test_the_emotion_must_come_from_what_the_card_lists(self, tmp_path):
        by_label = {c.name: c for c in cards()}["eat"]
        with pytest.raises(UnsupportedEmotion, match="EAT takes its emotion from label, not from video"):
            check_request(by_label, GenRequest("clip", SILENCE, EmotionSpec(clip=tmp_path)))


class TestSystems:
    def test_names(self):
        assert System.parse("ours") == System("gmtalker", "gmtalker")
        whole = System.parse("gmtalker-wo_gm-pose-s2")
        assert (whole.ablations, whole.drive, whole.seed) == (("wo_gm",), "pose", 2)
        assert whole.trained == "gmtalker-wo_gm-s2"
        assert System.parse("gmtalker-s2-wo_gm-pose").name == whole.name
        with pytest.raises(InputError, match=r"GMTalker has no variant 'wo_mg'.*wo_gm"):
            System.parse("gmtalker-wo_mg")
        with pytest.raises(InputError, match=r"unknown method 'gmtalkr'.*gmtalker"):
            System.parse("gmtalkr")

    def test_a_third_party_registers_by_entry_point(self, monkeypatch):
        class Entry:
            name, value = "mine", "package:factory"

            def load(self):
                return lambda: registry.create("gmtalker")

        monkeypatch.setattr(
            registry.metadata, "entry_points", lambda group: [Entry()] if group == registry.GROUP else []
        )
        registry.factories.cache_clear()
        try:
            assert set(registry.factories()) == {"gmtalker", "mine"}
            assert registry.create("mine").card.name == "gmtalker"
            monkeypatch.setattr(Entry, "name", "gmtalker")
            registry.factories.cache_clear()
            with pytest.raises(InputError, match="already taken"):
                registry.factories()
        finally:
            registry.factories.cache_clear()


class TestCards:
    def test_the_registry_agrees_with_itself(self):
        found = {c.name: c for c in cards()}
        assert len(found) == 32
        for card in found.values():
            assert card.default_source in card.emotion_sources
            assert (card.emotion == "none") == (card.emotion_sources == ("none",)) or card.name == "styleheat"
            assert card.emotion != "generate" or {"label", "audio", "text"} & set(card.emotion_sources)
        assert not found["hallo"].confirmed
        assert found["pdfgc"].eye == "transfer"
        assert found["flowvqtalker"].diversity

    def test_a_folder_brings_its_card(self, tmp_path):
        folder = tmp_path / "eat"
        (folder / "synth" / "M001").mkdir(parents=True)
        (folder / "synth" / "M001" / "clip.mp4").write_bytes(b"x")
        assert dropin.find(tmp_path) == {"eat": folder}
        assert dropin.card(folder).title == "EAT"
        (folder / "card.yaml").write_text("native_resolution: 128\n")
        assert dropin.card(folder).native_resolution == 128
        (folder / "card.yaml").write_text("native_resolutoin: 128\n")
        with pytest.raises(InputError, match="unknown key 'native_resolutoin'"):
            dropin.card(folder)
        assert set(dropin.videos(folder, "synth")) == {"M001/clip"}
        own = tmp_path / "mine"
        own.mkdir()
        with pytest.raises(InputError, match="outside of the registry needs a whole card"):
            dropin.card(own)


def test_a_run_card_holds_the_last_losses_of_a_part():
    losses = ({"step": 10.0, "rec": 3.0}, {"step": 20.0, "rec": 2.0})
    part = TrainedPart("gmeg", 20, 1.5, 100, 7, 2**30, losses, True, "ab")
    assert part.as_json() == {
        "steps": 20, "seconds": 1.5, "parameters": 100, "frozen_parameters": 7, "peak_memory": 2**30,
        "stopped_early": True, "sha256": "ab", "losses": {"rec": 2.0},
    }  # fmt: skip
    assert TrainedPart("none", 0, 0.0, 0).as_json()["losses"] == {}
