"""The report page for 30 methods and 1,000 clips: how long it takes to write, and how large it is."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import once
from gmbench.reporting.page import PageContent, write
from gmbench.reporting.summary import Summary
from tools.random_records import random_records

METRICS = ("psnr", "ssim", "ssim_u7", "cpbd", "m_lmd", "f_lmd", "m_nlmd", "f_nlmd", "div", "pcm", "ba_m2a", "sync_c")


def measure(folder: Path, clips: Path | None) -> Iterator[tuple[str, str, str]]:
    records = random_records(30, 1000, METRICS)
    out = folder / "page"
    seconds = once(lambda: write(PageContent("benchmark", Summary.per_protocol(records)), out))
    first, rest = (out / "index.html").stat().st_size, sum(p.stat().st_size for p in (out / "data").iterdir())
    what = f"report page, 30 methods x 1,000 clips x {len(METRICS)} metrics"
    yield what, f"{seconds:.0f} s", ""
    yield "its index.html, read at once", f"{first / 1e6:.2f} MB", ""
    yield "its clips, read a method at a time", f"{rest / 1e6:.1f} MB", ""
