"""The networks of the corpus that come with gmbench: ``python -m tools.extractors`` says whether they fit the code.

``--write`` makes them anew, by the profile ``demo`` and into ``gmbench/weights/corpus``: after a change of the corpus,
of a recipe or of the training, when a test asks for it. About 17 minutes of one processor. The files are part of the
repository, so let each change of them be one that must be.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from gmbench import config
from gmbench.config import Params
from gmbench.errors import GmbenchError, StoreError
from gmbench.executor import kept_workers
from gmbench.stages import shipped_extractors, train_extractors
from gmbench.stages.corpus import corpus
from gmbench.stages.paths import EXTRACTORS, DatasetPaths
from gmbench.stages.pipeline_run import STORE, PipelineRun, write_json
from gmbench.store import Store
from gmbench.weights import files

NAME = "synth"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, or make anew; 1 where the networks that are there do not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make them anew")
    parser.add_argument("--work", type=Path, default=Path(".gmbench/extractors"), help="folder for corpus and store")
    options = parser.parse_args(arguments)
    try:
        if options.write:
            write(options.work.resolve())
    except GmbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    found = problems()
    sys.stdout.writelines(f"{line}\n" for line in found)
    return int(bool(found))


def recipe() -> Params:
    """The profile ``demo`` with networks trained anew."""
    values = yaml.safe_load(config.profiles()["demo"])
    values["extractors"]["source"] = "train"
    return Params.model_validate(values)


def problems() -> list[str]:
    """Why the networks that are there must be made anew, and what is wrong with their files."""
    facts = files.shipped_facts()
    if not facts:
        return [f"{files.SHIPPED}: no networks there; run python -m tools.extractors --write"]
    found = shipped_extractors.misfits(facts, train_extractors.versions(), shipped_extractors.recipe(recipe()))
    described = shipped_extractors.describe(files.SHIPPED)["networks"]
    found += [f"{kind}: not the file that was made" for kind in described if described[kind] != facts["networks"][kind]]
    return [f"{line}; run python -m tools.extractors --write" for line in found]


def write(work: Path) -> None:
    """Draw the corpus and train in a folder of work, then replace the networks that come with gmbench.

    Raises:
        StoreError: one failed its validation, and nothing was replaced.
    """
    work.mkdir(parents=True, exist_ok=True)
    os.chdir(work)
    run = PipelineRun(recipe(), DatasetPaths(NAME), Store(STORE))
    root = Path("data") / NAME
    with kept_workers():
        corpus(run, NAME, root)
        train_extractors.prepare(run, root)
    replace(EXTRACTORS)


def replace(made: Path) -> None:
    """Put trained networks of a folder into the package, with reports and facts."""
    reports = {kind: json.loads((made / f"{kind}.json").read_text("utf-8")) for kind in shipped_extractors.KINDS}
    if failed := {kind: report["failed"] for kind, report in reports.items() if report["failed"]}:
        raise StoreError(f"{made}: not put into the package, since their validation failed: {failed}")
    files.SHIPPED.mkdir(exist_ok=True)
    for kind, report in reports.items():
        sys.stdout.write(f"{kind}, against the former: {report.pop('against_shipped', 'none there')}\n")
        shutil.copyfile(made / f"{kind}.safetensors", files.SHIPPED / f"{kind}.safetensors")
        write_json(files.SHIPPED / f"{kind}.json", report)
    shutil.copyfile(made / shipped_extractors.VALIDATION, files.SHIPPED / shipped_extractors.VALIDATION)
    facts = json.loads((made / files.FACTS).read_text("utf-8"))
    write_json(files.SHIPPED / files.FACTS, {name: value for name, value in facts.items() if name != "source"})
    files.shipped_facts.cache_clear()


if __name__ == "__main__":
    sys.exit(main())
