"""A project of its own in a temporary folder, as a user has after cloning."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gmbench.commands import app
from tests.packages import install

ROOT = Path(__file__).parents[2]
COPIED = ("gmbench", "metrics", "pipelines", "dvc.yaml", ".dvcignore", ".gitignore")


class Project:
    """Files of the repository, a git and a DVC repository around them, and no network."""

    def __init__(self, folder: Path, profile: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
        shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
        shutil.copy2(ROOT / "gmbench" / "profiles" / f"{profile}.yaml", folder / "params.yaml")
        self.environment = {k: v for k, v in os.environ.items() if k != "GMBENCH_STORE"} | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t",
            "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",  # any download fails at once
        }  # fmt: skip
        self.packages = folder.parent / "packages"
        self.environment["PYTHONPATH"] = os.pathsep.join(
            [str(self.packages), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        self.run("git", "init", "-q")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "start")

    def install(self, package: Path) -> None:
        """Make a package of somebody else known to the project's commands."""
        install(package, self.packages)

    @property
    def params(self) -> dict[str, Any]:
        """What params.yaml holds."""
        return dict(yaml.safe_load((self.folder / "params.yaml").read_text()))

    def configure(self, **values: object) -> None:
        """Change values of params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params | values, sort_keys=False))

    def run(self, *command: str, check: bool = True) -> str:
        """Standard output of a command; its end and the end of stderr in the message where it fails."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=3600
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )
        return done.stdout + ("" if check else done.stderr)

    def refused(self, *command: str) -> str:
        """The error message of a command of gmbench that must fail, run in this process, which has all imported."""
        errors = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(errors):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", list(command))
            with pytest.raises(SystemExit) as stop:
                app.main()
        if not stop.value.code:
            raise AssertionError(f"{' '.join(command)}: not refused")
        return errors.getvalue()

    def start(self, *command: str) -> subprocess.Popen[str]:
        """A command in the background, in a process group of its own."""
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
