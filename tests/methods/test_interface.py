"""Cards, requests, systems, drop-in folders: what a method is to the benchmark."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.methods import dropin, registry
from gmbench.methods.card import POSE, REFERENCE, VIDEO, MethodCard, baseline_card, cards
from gmbench.methods.interface import (
    Drivers,
    EmbedsEmotion,
    EmotionSpec,
    GenRequest,
    HasLatents,
    Interpolates,
    MissingInput,
    NotSupported,
    TrainedPart,
    UnsupportedEmotion,
    as_json,
    check_request,
)
from gmbench.methods.registry import System

SILENCE = np.zeros(6400, np.int16)


def _method(name, **card):
    """A factory of a method that has a card and does nothing."""
    whole = {"pose": "generate", "eye": "none", "emotion": "none", "drives": (POSE,)} | card

    class Method:
        card = MethodCard(name, name, "trainable", ("none",), "none", **whole)
        settings = fit = load = generate = print

    return Method


@pytest.fixture
def other_methods(monkeypatch):
    """Methods of another package by entry point: a function that takes factories by name."""

    def register(**factories):
        found = {name: plugins.Plugin(name, "other 1.0", factory) for name, factory in factories.items()}
        monkeypatch.setattr(
            plugins, "load", lambda group: plugins.Plugins(found if group == plugins.METHODS else {}, {})
        )

    return register


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

    def test_needs_follow_from_identity_and_drive(self):
        card = MethodCard(
            "x", "X", "trainable", ("audio", "video"), "audio", "generate", "none", "generate", needs=("audio",),
            drives=(POSE, VIDEO), drive_needs={"": ("transcript",)},
        )  # fmt: skip
        assert card.needs_under(()) == ("source_image", "audio", "transcript")
        assert card.needs_under(("video",)) == ("source_image", "audio", "drivers")
        picture = np.zeros((8, 8, 3), np.uint8)
        with pytest.raises(MissingInput, match="X needs transcript"):
            check_request(card, GenRequest("clip", SILENCE, EmotionSpec(), source_image=picture))
        with pytest.raises(MissingInput, match="X needs motion"):
            check_request(card, GenRequest("clip", SILENCE, EmotionSpec(), source_image=picture, drives=("pose",)))
        with pytest.raises(NotSupported, match="X has no drive 'label'"):
            check_request(card, GenRequest("clip", SILENCE, EmotionSpec(), source_image=picture, drives=("label",)))
        driven = GenRequest("clip", SILENCE, EmotionSpec(), source_image=picture, drives=("video",), drivers=Drivers())
        check_request(card, driven)

    def test_settings_are_a_model_a_dataclass_or_a_mapping(self):
        @dataclass(frozen=True)
        class Settings:
            steps: int = 3
            layers: tuple[int, ...] = (1, 2)

        assert as_json(Settings()) == {"steps": 3, "layers": [1, 2]}
        assert as_json({"a": 1}) == {"a": 1}
        assert as_json(registry.create("gmtalker").settings({}))["gmeg"]["width"] == 512
        with pytest.raises(InputError, match="got int"):
            as_json(3)
        with pytest.raises(InputError, match="what JSON can hold"):
            as_json({"a": object()})

    def test_capabilities_are_asked_for(self):
        method = registry.create("gmtalker")
        assert isinstance(method, Interpolates)
        assert isinstance(method, HasLatents)
        assert not isinstance(method, EmbedsEmotion)


class TestSystems:
    def test_names(self):
        assert System.parse("ours") == System("gmtalker", "gmtalker")
        whole = System.parse("gmtalker-wo_gm-pose-s2")
        assert (whole.ablations, whole.drives, whole.seed) == (("wo_gm",), ("pose",), 2)
        assert whole.trained == "gmtalker-wo_gm-s2"
        assert System.parse("gmtalker-s2-wo_gm-pose").name == whole.name
        with pytest.raises(InputError, match=r"GMTalker has no variant 'wo_mg'.*wo_gm"):
            System.parse("gmtalker-wo_mg")
        with pytest.raises(InputError, match=r"unknown method 'gmtalkr'.*gmtalker"):
            System.parse("gmtalkr")

    def test_a_name_with_hyphens_is_read_longest_first(self, other_methods):
        other_methods(**{"my": _method("my"), "my-method": _method("my-method")})
        assert System.parse("my-method-pose-s2") == System("my-method-pose-s2", "my-method", (), ("pose",), 2)
        assert System.parse("my-pose").method == "my"
        assert System.parse("my-method").trained == "my-method"
        with pytest.raises(InputError, match=r"my-methods: my has no variant 'methods'"):
            System.parse("my-methods")

    def test_drives_are_those_of_the_card(self, other_methods):
        with pytest.raises(NotSupported, match="GMTalker has no drive 'video'; it has pose, coefficients"):
            System.parse("gmtalker-video")
        with pytest.raises(NotSupported, match="cannot take pose and coefficients at once; none go together"):
            System.parse("gmtalker-coefficients-pose")
        other_methods(several=_method("several", drives=(POSE, REFERENCE), drive_combinations=("pose-reference",)))
        whole = System.parse("several-reference-s1-pose")
        assert (whole.name, whole.drive, whole.trained) == ("several-pose-reference-s1", "pose-reference", "several-s1")
        assert System.of("several", "", "pose-reference", 1) == whole

    def test_one_that_fails_costs_only_itself(self, other_methods):
        def broken():
            raise OSError("no weights here")

        other_methods(broken=broken, half=object, gmtalker=_method("thief"))
        assert registry.create("gmtalker").card.name == "gmtalker"
        assert "already taken" in registry.problems()["gmtalker"]
        with pytest.raises(InputError, match=r"'broken' of other 1\.0 cannot be made \(OSError: no weights here\)"):
            registry.create("broken")
        with pytest.raises(InputError, match=r"'half' of other 1\.0 has no card"):
            registry.create("half")


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
        assert found["flowvqtalker_official"].diversity

    def test_systems_trained_here_do_not_show_a_baselines_card(self):
        assert not {"flowvqtalker", "edtalk", "dicetalk"} & {card.name for card in cards()}
        assert baseline_card("edtalk_v").name == "edtalk_v_official"  # folders and records from before
        assert baseline_card("gmtalker") is None

    def test_drives_change_what_a_table_says(self):
        card = registry.create("gmtalker").card
        assert card.driven_by(()) == card
        posed, drawn = card.driven_by(("pose",)), card.driven_by(("coefficients",))
        assert (posed.pose, posed.eye, posed.emotion, posed.default_source) == (
            "transfer",
            "transfer",
            "generate",
            "label",
        )
        assert (drawn.pose, drawn.emotion, drawn.default_source) == ("transfer", "transfer", "video")

    def test_names_with_hyphens_are_refused(self):
        with pytest.raises(InputError, match="'wo-gm' must be a name without hyphens"):
            MethodCard("x", "X", "trainable", ("none",), "none", "none", "none", "none", ablations={"wo-gm": {}})

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
        assert set(dropin.videos(folder, "synth")[0]) == {"M001/clip"}
        own = tmp_path / "mine"
        own.mkdir()
        with pytest.raises(InputError, match="outside of the registry needs a whole card"):
            dropin.card(own)


def test_a_run_card_holds_the_last_losses_of_a_part():
    losses = ({"step": 10.0, "rec": 3.0}, {"step": 20.0, "rec": 2.0})
    part = TrainedPart("gmeg", 20, 1.5, 100, 7, 2**30, losses, True, "ab")
    assert part.as_json() == {
        "steps": 20, "seconds": 1.5, "parameters": 100, "frozen_parameters": 7, "peak_memory": 2**30,
        "stopped_early": True, "sha256": "ab", "device": "", "losses": {"rec": 2.0},
    }  # fmt: skip
    assert TrainedPart("none", 0, 0.0, 0).as_json()["losses"] == {}


def test_threads_load_one_after_another(monkeypatch, tmp_path):
    """Libraries such as diffusers cannot read their parts in two threads at once."""
    inside, most = 0, []

    class Slow:
        speakers, emotions = (), ()

        def load(self, folder):
            nonlocal inside
            inside += 1
            most.append(inside)
            time.sleep(0.05)
            inside -= 1

    monkeypatch.setattr(registry, "create", lambda name: Slow())
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: registry.load(name, tmp_path), "abcd"))
    assert most == [1, 1, 1, 1]


def test_cards_of_built_in_methods_are_read_without_their_networks():
    code = (
        "import sys; from gmbench.methods.registry import BUILT_IN, System;"
        " print([System.parse(name).name for name in BUILT_IN], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{list(registry.BUILT_IN)} False"
    for name in registry.BUILT_IN:
        assert registry.read_card(name) is registry.create(name).card
    assert registry.read_card("ours").name == "gmtalker"
