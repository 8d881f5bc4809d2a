"""Notice code that changed while the version constant in its store keys did not.

Results lie in the store under keys that hold a version constant; a number moves without a word when the code behind it
changes and the constant does not. ``versions.lock`` keeps, for each constant, its value and a digest of all code that
leads to what it stands for: the functions that its module makes jobs of, or those in :data:`COVERS`.
``python -m tools.versions --check`` compares, ``--update`` writes the file anew.
"""

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.definitions import Name, closure, digest, references_of, symbols
from tools.sources import ROOT, import_graph, syntax_tree

LOCK = ROOT / "tools" / "versions.lock"
COVERS: dict[str, tuple[str, ...]] = {
    "gmbench.corpus.people.PEOPLE_VERSION": ("gmbench.corpus.people.draw_people",),
    "gmbench.evaluation.extraction.features.MEDIA_VERSION": (
        "gmbench.media.video.Video",
        "gmbench.media.audio.read_audio",
        "gmbench.evaluation.extraction.corruptions.corrupted_frames",
        "gmbench.evaluation.extraction.corruptions.corrupted_audio",
        "gmbench.evaluation.extraction.frame_pass.FramePass",
    ),
    "gmbench.evaluation.extraction.features.SOUND_FEATURES_VERSION": (
        "gmbench.evaluation.extraction.sound_features.extract_sound_features",
    ),
    "gmbench.extractors.corpus.networks.NETWORK_FILE_VERSION": (
        "gmbench.extractors.corpus.networks.read",
        "gmbench.extractors.corpus.networks.write",
    ),
    "gmbench.extractors.landmarker.LANDMARKER_FILE_VERSION": (
        "gmbench.extractors.landmarker.read",
        "gmbench.extractors.landmarker.write",
    ),
    "gmbench.methods.dicetalk.checkpoints.DICETALK_CHECKPOINT_VERSION": (
        "gmbench.methods.checkpoint.CheckpointFormat",
        "gmbench.methods.dicetalk.denoiser.Denoiser",
        "gmbench.methods.dicetalk.latents.LappedCode",
        "gmbench.methods.dicetalk.prior_reader.PriorReader",
        "gmbench.methods.expression_code.ExpressionCode",
    ),
    "gmbench.methods.edtalk.checkpoints.EDTALK_CHECKPOINT_VERSION": (
        "gmbench.methods.checkpoint.CheckpointFormat",
        "gmbench.methods.edtalk.animator.Animator",
        "gmbench.methods.edtalk.lips.LipEncoder",
        "gmbench.methods.edtalk.pose.PoseGenerator",
        "gmbench.methods.edtalk.semantics.SemanticNetwork",
        "gmbench.methods.edtalk.teachers.TeacherPair",
    ),
    "gmbench.methods.flowvqtalker.checkpoints.FLOWVQTALKER_CHECKPOINT_VERSION": (
        "gmbench.methods.checkpoint.CheckpointFormat",
        "gmbench.methods.expression_code.ExpressionCode",
        "gmbench.methods.flowvqtalker.flows.ExpressionFlow",
        "gmbench.methods.flowvqtalker.flows.HeadPoseFlow",
        "gmbench.methods.flowvqtalker.image_generator.ImageGenerator",
    ),
    "gmbench.methods.gmtalker.checkpoints.GMTALKER_CHECKPOINT_VERSION": (
        "gmbench.methods.checkpoint.CheckpointFormat",
        "gmbench.methods.gmtalker.gmeg.ExpressionGenerator",
        "gmbench.methods.gmtalker.nfmg.MotionGenerator",
        "gmbench.methods.gmtalker.head.HeadGenerator",
    ),
}
"""What a constant stands for where its module makes no jobs."""
REMEDY = (
    "If stored results can differ, raise the constant; then, or if they cannot, run python -m tools.versions --update"
)
VERSIONED = ("FrameFeature", "PairFeature", "ClipFeature", "LandmarkBackend")
"""Classes whose objects are made with a name, a version and functions: ``FrameFeature("cpbd", 1, function)``."""
SKIPPED = (
    "gmbench.config.", "gmbench.errors.", "gmbench.executor.", "gmbench.job_cache.", "gmbench.names.",
    "gmbench.plugins.", "gmbench.store.", "gmbench.weights.",
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
    constants = version_constants()
    if gone := set(COVERS) - {f"{module}.{name}" for module, name in constants}:
        raise ValueError(f"COVERS in tools/versions.py names constants that do not exist: {', '.join(sorted(gone))}")
    skipped = (*SKIPPED, *(f"{module}.{name}" for module, name in constants))
    found = {}
    for (module, name), value in constants.items():
        listed = COVERS.get(f"{module}.{name}", ())
        starts = [(start.rpartition(".")[0], start.rpartition(".")[2]) for start in listed] or _job_functions(module)
        if not starts:
            raise ValueError(f"{module}.{name}: which code does it stand for? Add it to COVERS in tools/versions.py")
        found[f"{module}.{name}"] = Covered(value, frozenset(closure(starts, skipped)))
    for module, maker, call in _versioned_calls():
        arguments = {str(place): node for place, node in enumerate(call.args)}
        arguments |= {str(keyword.arg): keyword.value for keyword in call.keywords}
        label = arguments.pop("name", None) or arguments.pop("0")
        version = arguments.pop("version", None) or arguments.pop("1")
        starts_of_call = {start for node in arguments.values() for start in references_of(node, module, maker)}
        starts_of_call = starts_of_call or references_of(maker, module)
        key = f"{module}: {_literal(call.func)} {_literal(label)}"
        found[key] = Covered(int(_literal(version)), frozenset(closure(starts_of_call, skipped)))
    return dict(sorted(found.items()))


def version_constants() -> dict[Name, int]:
    """All constants ``<NAME>_VERSION = <number>`` of the project."""
    found: dict[Name, int] = {}
    for module in sorted(import_graph().modules):
        for name, node in symbols(module).items():
            if name.endswith("_VERSION") and isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                found[module, name] = int(ast.literal_eval(node.value))
    return found


def _job_functions(module: str) -> list[Name]:
    """Functions that a module makes jobs of: ``run_jobs(function, ...)``, ``TrainingJob(name, key, function, ...)``."""
    found: set[Name] = set()
    for node in ast.walk(syntax_tree(module)):
        if isinstance(node, ast.Call):
            called = _literal(node.func).rpartition(".")[2]
            place = {"run_jobs": 0, "TrainingJob": 2}.get(called, len(node.args))
            for argument in node.args[place : place + 1]:
                found |= references_of(argument, module)
    return sorted(found)


def _versioned_calls() -> Iterator[tuple[str, ast.stmt, ast.Call]]:
    """Calls that make a versioned object, with their module and the statement of the module that holds them."""
    for module in sorted(import_graph().modules):
        for statement in syntax_tree(module).body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and _literal(node.func) in VERSIONED:
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
