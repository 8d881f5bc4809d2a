"""How many small changes of the code the tests notice, by module: a sample of mutmut's mutants under a time budget.

    python -m tests.mutations.score [--sample 25] [--seed 0] [--minutes 8] [--module PART] [--tests FILE ...]

Works on a copy, so that nothing here is changed. Mutants of which only a text differs, and those that replace a whole
assignment by None, are left out: messages are not numbers, and the others fail in any test that runs the line.
"""

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = {
    "gmbench/evaluation/scoring/network_metrics.py": ("tests/evaluation/test_bindings_networks.py",),
    "gmbench/evaluation/scoring/signal_metrics.py": ("tests/evaluation/test_bindings_signals.py",),
    "gmbench/evaluation/validate.py": ("tests/evaluation/test_validate.py", "tests/evaluation/test_corruptions.py"),
    "gmbench/metrics/statistics.py": ("tests/metrics/test_statistics.py",),
    "gmbench/datasets/splits.py": ("tests/datasets/test_splits.py",),
}
NOTICED, UNTESTED, SURVIVED = "noticed", "run by no test", "not noticed"
_STATUS = {0: SURVIVED, 5: UNTESTED, 33: UNTESTED}


def main() -> None:
    """Print the table and the mutants that nothing noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=25, help="mutants per module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=8.0, help="then the rest of the sample is left out")
    parser.add_argument("--module", default="", help="only modules whose path contains this")
    parser.add_argument("--tests", nargs="*", help="test files in place of those that belong to the modules")
    given = parser.parse_args()
    targets = {module: tests for module, tests in TARGETS.items() if given.module in module}
    tests = given.tests or [test for files in targets.values() for test in files]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        _copy(copy, list(targets), tests)
        _mutmut(copy, ["generate-only"], 600)  # matches nothing: mutants are written, and each test's coverage
        chosen = {module: _sample(copy / "mutants" / module, given.sample, given.seed) for module in targets}
        _mutmut(copy, [name for names in chosen.values() for name in names], 60 * given.minutes)
        _report(copy, chosen)


def _copy(copy: Path, modules: list[str], tests: list[str]) -> None:
    """The package and its tests, with folders in place of links, and mutmut's configuration."""
    for name in ("gmbench", "tests", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, copy / name)
    settings = {
        "source_paths": ["gmbench"], "only_mutate": modules, "also_copy": ["tools", "params.yaml"],
        "pytest_add_cli_args_test_selection": tests,
    }  # fmt: skip
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    with (copy / "pyproject.toml").open("a") as file:
        file.write("\n".join(["", "[tool.mutmut]", *lines, ""]))


def _mutmut(copy: Path, names: list[str], seconds: float) -> None:
    """Run mutmut in a session of its own and end it after some seconds; what it found until then stays."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    with (copy / "mutmut.log").open("w") as log:
        process = subprocess.Popen(command, cwd=copy, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    if process.returncode and "Failed to" in (copy / "mutmut.log").read_text():
        raise SystemExit((copy / "mutmut.log").read_text()[-3000:])


def _sample(mutated: Path, count: int, seed: int) -> list[str]:
    """Names of some mutants of a file that mutmut has written."""
    functions = {
        f"{scope}{node.name}": node
        for scope, body in _scopes(ast.parse(mutated.read_text("utf-8")))
        for node in body
        if isinstance(node, ast.FunctionDef)
    }
    known = json.loads(mutated.with_name(mutated.name + ".meta").read_text("utf-8"))["exit_code_by_key"]
    names = [name for name in sorted(known) if _counts(name.rpartition(".")[2], functions)]
    return sorted(random.Random(seed).sample(names, min(count, len(names))))


def _scopes(tree: ast.Module) -> list[tuple[str, list[ast.stmt]]]:
    return [("", tree.body), *((node.name, node.body) for node in tree.body if isinstance(node, ast.ClassDef))]


def _counts(name: str, functions: dict[str, ast.FunctionDef]) -> bool:
    """Whether a mutant changes more than a text, and more than an assignment to None."""
    matches = [key for key in functions if key.endswith(name)]
    originals = [key for key in functions if key.endswith(name.rpartition("__mutmut_")[0] + "__mutmut_orig")]
    if not matches or not originals:
        return True
    return _plain(functions[matches[0]]) != _plain(functions[originals[0]]) and not _is_none(
        functions[originals[0]], functions[matches[0]]
    )


def _plain(function: ast.FunctionDef) -> str:
    """The body with every text emptied."""
    tree = ast.parse(ast.unparse(ast.Module(function.body, [])))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def _is_none(before: ast.FunctionDef, after: ast.FunctionDef) -> bool:
    """Whether an assignment lost its value."""

    def values(function: ast.FunctionDef) -> list[str]:
        found = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.AnnAssign)]
        return [ast.unparse(node.value) if node.value else "" for node in found]

    return any(new == "None" != old for old, new in zip(values(before), values(after), strict=False))


def _report(copy: Path, chosen: dict[str, list[str]]) -> None:
    lines, survivors = [], []
    for module, names in chosen.items():
        path = copy / "mutants" / module
        codes = json.loads(path.with_name(path.name + ".meta").read_text("utf-8"))["exit_code_by_key"]
        found = {name: _STATUS.get(codes[name], NOTICED) for name in names if codes.get(name) is not None}
        noticed = sum(status == NOTICED for status in found.values())
        share = f"{100 * noticed / len(found):.0f} %" if found else "-"
        lines.append(f"| {module} | {len(found)} of {len(names)} | {noticed} | {share} |")
        survivors += [(name, status) for name, status in found.items() if status != NOTICED]
    _say("\n".join(["| module | mutants run | noticed | score |", "|---|---:|---:|---:|", *lines]))
    for name, status in survivors:
        command = [sys.executable, "-m", "mutmut", "show", name]
        shown = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False).stdout.splitlines()
        changed = [line for line in shown if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        _say("\n".join([f"\n{status}: {name}", *changed]))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
