"""The command as a user runs it: wrong options, an interrupt, terminals of two widths; some in a process of its own."""

import errno
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios

import pytest

from gmbench.commands import app
from gmbench.corpus.sketch import write_sketches
from gmbench.reporting.table_formats import number

LONG = "our-method-with-a-long-name"
COMMAND = (sys.executable, "-m", "gmbench")


def run(environment, *arguments, **options):
    """Exit code, stdout and stderr of the command."""
    line = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(line, env=environment, text=True, capture_output=True, timeout=300, check=False, **options)
    return done.returncode, done.stdout, done.stderr


def in_terminal(environment, columns, *arguments):
    """What the command writes into a terminal of so many columns, without colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in environment.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], env=environment, stdin=its, stdout=its,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    os.close(its)
    written = b""
    while select.select([ours], [], [], 120)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # closed by the process
            break
        if not part:
            break
        written += part
    assert process.wait() == 0
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", written.decode()).replace("\r\n", "\n")


WRONG = [
    (["--video"], "No such option"),
    (["evl"], "Did you mean 'eval'"),
    (["compare", "near"], "second"),
    (["eval", "--video", "x"], "--videos"),
    (["eval", "--workers", "none"], "--workers"),
    (["eval", "--limit", "0"], "--limit"),
    (["compare", "a", "b", "c"], "unexpected extra argument"),
    (["generate"], "--out"),
    (["weights", "lst"], "Did you mean 'list'"),
    (["methods", "eatt"], "did you mean EAT"),
    (["metrics", "M-LDM"], "did you mean"),
    (["table", "--format"], "--format"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_usage_is_one_line(call, tmp_path, arguments, message):
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert [line[:7] for line in err.splitlines()] == ["error: "]


@pytest.mark.parametrize(("arguments", "message"), WRONG[:3])
def test_wrong_usage_of_the_program_itself(environment, tmp_path, arguments, message):
    code, out, err = run(environment, *arguments, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert message in err
    assert [line[:7] for line in err.splitlines()] == ["error: "]


def test_help_version_and_groups_of_commands(call, environment, tmp_path):
    code, out, err = run(environment, cwd=tmp_path)
    assert code in (0, 2)
    assert "Traceback" not in err
    assert re.findall(r"^│ (\w+)  ", out + err, re.M)[0] == "eval"
    code, out, _ = call("--version")
    assert (code, out.count("\n")) == (0, 1)
    for arguments, part in ((("weights",), "verify"), (("eval", "-h"), "How it is measured")):
        code, out, err = call(*arguments)
        assert code in (0, 2)
        assert part in out + err


def test_an_unexpected_error_is_one_line_unless_asked_for(call, tmp_path, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a bug")

    monkeypatch.setattr("gmbench.evaluation.protocol.load", broken)
    code, _, err = call("protocols")
    assert code == 1
    assert err == "error: unexpected RuntimeError: a bug; the same command with --debug shows where\n"
    monkeypatch.setattr(sys, "argv", ["gmbench", "protocols", "--debug"])
    with pytest.raises(RuntimeError, match="a bug"):
        app.main()


def test_a_full_disk_is_one_line_with_the_remedy(call, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")

    monkeypatch.setattr("gmbench.evaluation.protocol.load", full)
    assert call("protocols")[::2] == (4, "error: some/file: disk full; free some space and run again\n")


def _interruptible():
    """A child of a command in the background ignores interrupts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


INTERRUPTS_ITSELF = """
import os, pathlib, signal, threading, time

def interrupt():
    while not list(pathlib.Path(os.environ["GMBENCH_STORE"]).glob("*/*")):
        time.sleep(0.02)
    os.killpg(0, signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
from gmbench.__main__ import main
main()
"""
"""The command in a process that interrupts its group, as a terminal does, once it has stored something. Another process
might come too late on a busy machine."""


def interrupted(environment, *arguments):
    """Exit code, stdout and stderr of a command that is interrupted."""
    line = [sys.executable, "-c", INTERRUPTS_ITSELF, *map(str, arguments)]
    done = subprocess.run(
        line, env=environment, text=True, capture_output=True, timeout=180, check=False, start_new_session=True,
        preexec_fn=_interruptible,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupt_says_how_to_go_on(environment, tmp_path, workers):
    write_sketches(tmp_path, speakers=2, clips=4, seconds=3, size=128)
    arguments = ["eval", "--videos", tmp_path / "near", "--reference", tmp_path / "reference", "--landmarks", "sidecar",
                 "--metrics", "psnr,ssim,cpbd,m_lmd", "--out", tmp_path / "out", "--workers", workers]  # fmt: skip
    code, out, err = interrupted(environment, *arguments)
    assert code == 130
    assert out == ""
    assert err == "stopped; what is finished is kept: run the same command again to go on\n"
    if workers == 1:
        code, out, _ = run(environment, *arguments, "--json")
        assert code == 0
        assert {row["n"] for row in json.loads(out)["rows"]} == {8}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Records of two methods, one of a long name, with all controls; and what the command printed at 80 columns."""
    folder = tmp_path_factory.mktemp("wide")
    write_sketches(folder, speakers=3, clips=2, seconds=2.4, size=96)
    shutil.move(folder / "near", folder / LONG)
    environment = os.environ | {"GMBENCH_STORE": str(folder / "store"), "COLUMNS": "80"}
    code, out, err = run(
        environment, "eval", "--videos", folder / LONG, "--videos", folder / "far", "--reference",
        folder / "reference", "--landmarks", "sidecar", "--controls", "all", "--out", folder / "out",
    )  # fmt: skip
    assert code == 0, err
    return folder / "out", out, err


def numbers(text):
    """All numbers of a printed table."""
    return re.findall(r"(?<![\w.])-?\d+\.\d+", text)


def test_an_evaluation_with_all_controls_fits_80_columns(call, results):
    folder, out, err = results
    assert max(map(len, out.splitlines())) <= 80
    assert "intervals" in out
    assert "no value: still: " in err
    printed = set(numbers(out))
    values = [row["value"] for row in json.loads(call("table", "--records", folder, "--json")[1])["rows"]]
    finite = [value for value in values if isinstance(value, float) and 0.01 < value < 100]
    assert len(finite) > 80
    assert {number(value) for value in finite} <= printed


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("command", ["table", "compare", "doctor", "metrics", "weights", "methods", "protocols"])
def test_commands_fit_the_terminal(call, results, monkeypatch, columns, command):
    monkeypatch.setenv("COLUMNS", str(columns))
    arguments = {
        "table": ["table", "--records", results[0]],
        "compare": ["compare", "far", LONG, "--records", results[0]],
        "weights": ["weights", "list"],
    }.get(command, [command])
    code, shown, _ = call(*arguments)
    assert code == 0
    assert "…" not in shown
    for line in shown.splitlines():
        assert len(line) <= columns or len(line.split()) <= 2, line  # an address may be longer than the terminal
    if command in ("doctor", "weights"):
        assert "self_relation-attention_61_84.3655" in shown
    if command == "table":
        assert ("[" in shown) == (columns == 200)


def test_a_real_terminal_tells_its_width(results, environment):
    shown = in_terminal(environment, 80, "table", "--records", results[0])
    assert max(map(len, shown.splitlines())) <= 80
    assert "--wide" in shown
    assert "[" in in_terminal(environment, 80, "table", "--records", results[0], "--wide")


def test_in_a_pipe_every_row_is_one_line_without_padding(call, results, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    _, out, _ = call("table", "--records", results[0])
    assert len([line for line in out.splitlines() if line.startswith("PSNR ")]) == 1
    assert not [line for line in out.splitlines() if line != line.rstrip()]
    assert "[" in out


def test_options_of_the_printed_table(call, results, tmp_path):
    folder = results[0]
    ask = ("table", "--records", folder, "--metrics", "PSNR,M-LMD", "--no-controls")
    _, out, _ = call(*ask, "--digits", "1", "--no-intervals")
    grid = out.partition("Mean")[0].split("\n", 1)[1]
    assert numbers(grid)
    assert all(len(text.partition(".")[2]) == 1 for text in numbers(grid))
    assert "still" not in out
    assert not re.search(r"\[\d", out)
    assert re.search(r"^PSNR ", out, re.M)
    assert re.search(r"^far  ", call(*ask, "--transpose")[1], re.M)
    assert LONG not in call(*ask, "--methods", "FAR")[1]
    for name, sign in (("t.tex", r"\toprule"), ("t.csv", "method,clips,psnr,psnr_low"), ("t.md", "| far |")):
        code, out, _ = call(*ask, "--out", tmp_path / name)
        assert (code, out) == (0, "")
        assert sign in (tmp_path / name).read_text()
    code, _, err = call(*ask, "--out", tmp_path / "t.xlsx")
    assert code == 2
    assert ".csv" in err


def test_a_limit_takes_the_first_clips_and_a_group_its_metrics(call, sketches, tmp_path):
    code, out, err = call(
        "eval", "--videos", sketches / "near", "--reference", sketches / "reference", "--limit", 2,
        "--metrics", "picture", "--out", tmp_path, "--json",
    )  # fmt: skip
    rows = json.loads(out)["rows"]
    assert code == 0
    assert {row["metric"] for row in rows} == {"psnr", "ssim", "ssim_u7", "cpbd", "cpbd_gap"}
    assert {row["expected"] for row in rows} == {2}
    assert "--limit: 2 of 6 clips" in err


def test_nothing_computed_is_an_error_with_the_reasons(call, tmp_path):
    """One still picture has no motion, hence no beats."""
    write_sketches(tmp_path, speakers=1, clips=1, seconds=1, size=96)
    code, _, err = call(
        "eval", "--controls", "still", "--reference", tmp_path / "reference", "--landmarks", "sidecar", "--metrics",
        "still_ratio,BA m→a", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 6
    assert "no value: still: " in err
    assert "error: nothing could be computed" in err


def test_what_is_left_out_without_a_reference_is_said(call, sketches, tmp_path):
    code, _, err = call("eval", "--videos", sketches / "near", "--limit", 1, "--out", tmp_path)
    assert code == 0
    assert "left out for want of a reference (--reference DIR): psnr, ssim" in err


def test_a_closed_pipe_is_no_error(environment):
    process = subprocess.Popen([*COMMAND, "metrics"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert b"Traceback" not in err
