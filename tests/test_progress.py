import time

from gmbench.progress import ProgressLines, ticking


class Watch:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def test_a_line_a_minute_with_rate_and_time_left():
    watch, lines = Watch(), []
    report = ProgressLines("evaluating", lines.append, clock=watch)
    report.phase("reading the files")
    watch.now = 59
    report.tick()
    assert lines == []
    watch.now = 61
    report.tick()
    report.tick()
    assert lines == ["evaluating: reading the files, for 61 s"]
    for done in range(1, 241):
        watch.now += 2
        report(done, 240)
    assert lines[1] == "evaluating: 31 of 240 clips, 30.0 clips/min, 7 min left"
    assert len(lines) == 1 + 7 + 1
    assert (
        lines[-1] == "evaluating: 240 of 240 clips done in 8 min" or lines[-1] == "evaluating: 240 clips done in 8 min"
    )


def test_what_was_in_the_store_does_not_count_for_the_rate():
    watch, lines = Watch(), []
    report = ProgressLines("evaluating", lines.append, clock=watch)
    report(0, 1000)
    for done in range(1, 901):
        report(done, 1000)
    for done in range(901, 920):
        watch.now += 40
        report(done, 1000)
    assert lines[0] == "evaluating: 902 of 1000 clips, 1.5 clips/min, 65 min left"
    assert all(", 1.5 clips/min, " in line for line in lines)


def test_a_new_piece_of_work_begins_anew():
    watch, lines = Watch(), []
    report = ProgressLines("synth", lines.append, clock=watch)
    for total in (3, 5):
        for done in range(1, total + 1):
            watch.now += 5
            report(done, total)
    assert lines == []
    for done in range(1, 6):
        watch.now += 30
        report(done, 5)
    assert lines == ["synth: 3 of 5 clips, 2.0 clips/min, 60 s left", "synth: 5 clips done in 2 min"]


def test_a_long_part_is_told_of_while_it_runs():
    lines = []
    report = ProgressLines("evaluating", lines.append, every=0.05)
    with ticking(report, every=0.01):
        report(0, 2)
        time.sleep(0.3)
    assert lines
    assert lines[0].startswith("evaluating: 0 of 2 clips, for ")
