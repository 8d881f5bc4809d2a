"""Notice code that changed while the version constant in its store keys did not.

Results lie in the store under keys that hold a version constant; a number moves without a word when the code behind it
changes and the constant does not. ``versions.lock`` keeps, for each constant, its value and a digest of all code that
leads to what it stands for. ``python -m tools.versions --check`` compares, ``--update`` writes the file anew.
"""

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.definitions import Name, closure, digest, references_of, symbols
from tools.sources import ROOT, import_graph, syntax_tree

LOCK = ROOT / "tools" / "versions.lock"
COVERS: dict[str, tuple[str, ...]] = {
    "gmbench.corpus.make.CORPUS_VERSION": ("gmbench.corpus.make.record_take",),
    "gmbench.corpus.people.PEOPLE_VERSION": ("gmbench.corpus.people.draw_people",),
    "gmbench.evaluation.extraction.features.MEDIA_VERSION": (
        "gmbench.media.Video",
        "gmbench.media.read_audio",
        "gmbench.evaluation.extraction.corruptions.corrupted_frames",
        "gmbench.evaluation.extraction.corruptions.corrupted_audio",
        "gmbench.evaluation.extraction.clip_group.FramePass",
    ),
    "gmbench.evaluation.extraction.features.SOUND_FEATURES_VERSION": (
        "gmbench.evaluation.extraction.clip_group._extract_audio",
    ),
    "gmbench.extractors.corpus.networks.NETWORK_FILE_VERSION": (
        "gmbench.extractors.corpus.networks.read",
        "gmbench.extractors.corpus.networks.write",
    ),
    "gmbench.extractors.landmarker.LANDMARKER_FILE_VERSION": (
        "gmbench.extractors.landmarker.read",
        "gmbench.extractors.landmarker.write",
    ),
    "gmbench.methods.gmtalker.checkpoints.GMTALKER_CHECKPOINT_VERSION": (
        "gmbench.methods.checkpoint.CheckpointFormat",
        "gmbench.methods.gmtalker.gmeg.ExpressionGenerator",
        "gmbench.methods.gmtalker.nfmg.MotionGenerator",
        "gmbench.methods.gmtalker.head.HeadGenerator",
    ),
    "gmbench.methods.gmtalker.jobs.GMTALKER_TRAINING_VERSION": (
        "gmbench.methods.gmtalker.jobs.training_jobs",
        "gmbench.methods.training_jobs.train_one",
    ),
    "gmbench.stages.audio.SPEECH_FEATURES_VERSION": ("gmbench.stages.audio.extract",),
    "gmbench.stages.crop.CROP_VERSION": ("gmbench.stages.crop.find", "gmbench.stages.crop.cut_clip"),
    "gmbench.stages.fit.FIT_VERSION": ("gmbench.stages.fit.fit_person", "gmbench.stages.fit.fit_clip"),
    "gmbench.stages.landmarks.LANDMARKS_VERSION": ("gmbench.stages.landmarks.detect",),
    "gmbench.stages.render.RENDER_VERSION": ("gmbench.stages.render.render_clip",),
    "gmbench.stages.render_videos.RENDERED_VIDEOS_VERSION": ("gmbench.stages.render_videos.render_video",),
    "gmbench.stages.system_videos.SYSTEM_VIDEOS_VERSION": ("gmbench.stages.system_videos.generate_clip",),
    "gmbench.stages.train_extractors.EXTRACTOR_TRAINING_VERSION": (
        "gmbench.stages.extractor_jobs.draw_training_people",
        "gmbench.stages.extractor_jobs.train_network",
    ),
}
"""The functions whose results lie under keys that hold a constant."""
REMEDY = (
    "If stored results can differ, raise the constant; then, or if they cannot, run python -m tools.versions --update"
)
FEATURES = ("FrameFeature", "PairFeature", "ClipFeature")
"""Classes whose objects name their version in the call: ``FrameFeature("cpbd", 1, function)``."""
SKIPPED = (
    "gmbench.config.", "gmbench.errors.", "gmbench.executor.", "gmbench.job_cache.", "gmbench.names.",
    "gmbench.store.", "gmbench.weights.",
)  # fmt: skip
"""Code that results do not depend on, or whose part in them the key names by content (settings, weights)."""


@dataclass(frozen=True)
class Covered:
    """A version, where it stands, and all code that leads to the results it stands for."""

    value: int
    definitions: frozenset[Name]

    def digest(self) -> str:
        """One digest of all definitions."""
        parts = (f"{module}.{name} {digest((module, name))}" for module, name in sorted(self.definitions))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def covered() -> dict[str, Covered]:
    """Every version of the project by name."""
    skipped = (*SKIPPED, *COVERS)
    found = {}
    for constant, starts in COVERS.items():
        module, name = constant.rsplit(".", 1)
        names = [(start.rsplit(".", 1)[0], start.rsplit(".", 1)[1]) for start in starts]
        found[constant] = Covered(_value(module, name), frozenset(closure(names, skipped)))
    for module, maker, call in _feature_calls():
        first, version, *rest = call.args
        starts_of_call = {start for node in (*rest, *call.keywords) for start in references_of(node, module)}
        starts_of_call = starts_of_call or references_of(maker, module)
        key = f"{module}: {_literal(call.func)} {_literal(first)}"
        found[key] = Covered(int(_literal(version)), frozenset(closure(starts_of_call, skipped)))
    return dict(sorted(found.items()))


def _value(module: str, name: str) -> int:
    node = symbols(module).get(name)
    if not (
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, int)
    ):
        raise ValueError(f"{module}: expected {name} = <number>; correct COVERS in {Path(__file__).name}")
    return node.value.value


def _feature_calls() -> Iterator[tuple[str, ast.stmt, ast.Call]]:
    """Calls that make a feature, with their module and the statement of the module that holds them."""
    for module in sorted(import_graph().modules):
        for statement in syntax_tree(module).body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and _literal(node.func) in FEATURES and len(node.args) >= 2:
                    yield module, statement, node


def _literal(node: ast.expr) -> str:
    """A constant or a name as text; the code of anything else."""
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def content(versions: dict[str, Covered]) -> dict[str, Any]:
    """Content of the lock file for these versions."""
    names = sorted({name for version in versions.values() for name in version.definitions})
    return {
        "versions": {name: {"value": v.value, "covers": v.digest()} for name, v in versions.items()},
        "definitions": {f"{module}.{name}": digest((module, name)) for module, name in names},
    }


def problems(locked: dict[str, Any], now: dict[str, Any], versions: dict[str, Covered]) -> list[str]:
    """What is not as the lock file says: one text per version."""
    found = []
    for name, version in now["versions"].items():
        before = locked["versions"].get(name)
        if before is None:
            found.append(f"{name} is new; run python -m tools.versions --update")
        elif before["value"] != version["value"]:
            found.append(
                f"{name} went from {before['value']} to {version['value']}; run python -m tools.versions --update"
            )
        elif before["covers"] != version["covers"]:
            covers = (f"{module}.{attribute}" for module, attribute in versions[name].definitions)
            changed = sorted(n for n in covers if locked["definitions"].get(n) != now["definitions"][n])
            what = ", ".join(changed) or "some of it is gone"
            found.append(f"{name} = {version['value']}: the code that it stands for changed ({what}). {REMEDY}")
    found += [
        f"{n} is gone; run python -m tools.versions --update" for n in locked["versions"] if n not in now["versions"]
    ]
    return found


def main() -> int:
    """Check or update; 1 where a version needs a decision."""
    parser = argparse.ArgumentParser(description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--check", action="store_true", help="compare the code with versions.lock")
    group.add_argument(
        "--update", action="store_true", help="write versions.lock; decide first whether results can move"
    )
    arguments = parser.parse_args()
    versions = covered()
    now = content(versions)
    if arguments.update:
        LOCK.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", "utf-8")
        return 0
    found = problems(json.loads(LOCK.read_text("utf-8")), now, versions)
    sys.stderr.writelines(f"{text}\n" for text in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
