"""What the scores of a dataset of real people can say, and what they cannot without published networks."""

import html

import pandas as pd

from gmbench.config import DatasetSection
from gmbench.reporting.page.markup import grid_html
from gmbench.stages.paths import SYNTHETIC

_QUESTIONS = (
    ("Do the pictures look like the recordings?", ("psnr", "ssim", "lpips_alex", "fid", "fvd"),
     "PSNR and SSIM against the real frames: blur and ghosts; not whether people take it for real."),
    ("Do the lips follow the speech?", ("m_lmd", "sync_lin", "sync_c", "sync_d"),
     "M-LMD: how far the lips are from the recording's; sync_lin: whether they open with the sound, beside chance."
     " Which sounds they show only a sync network tells."),
    ("Does the head move as this person's does?", ("ba_m2a", "div", "pcm", "head_dyn_rot"),
     "Beats, variety and rhythm of the head against the recording, from landmarks alone; compare with ground_truth."),
    ("Is the emotion recognised?", ("acc_emo", "emo_score"), "Only networks or people can tell."),
    ("Is it still this person?", ("f_sim",), "Only a face recognition network or people can tell."),
)  # fmt: skip


def what_can_be_said(records: pd.DataFrame, section: DatasetSection) -> str:
    """A table of questions, what answers them here, and what is missing for the rest; empty for the corpus.

    Args:
        records: of the dataset, with ``metric_name``, ``status`` and ``reason``.
        section: of the dataset.
    """
    if section.kind in SYNTHETIC:
        return ""
    rows = []
    for question, names, meaning in _QUESTIONS:
        found = records[records["metric_name"].isin(names)]
        known = [name for name in names if (found.loc[found["metric_name"] == name, "status"] == "ok").any()]
        missing = [f"{name} ({_reason(found, name)})" for name in names if name not in known]
        rows.append([question, ", ".join(known) or "nothing", "; ".join(missing) or "nothing", meaning])
    drawn = (
        " Detectors and networks are those of drawn people: their numbers mean nothing of real faces."
        if section.extractors == "corpus"
        else ""
    )
    text = (
        "One person and a few clips: intervals are wide, and nothing here says how other people or other speech would"
        f" fare. Look at the videos before you believe a number.{drawn}"
    )
    return f"<p>{html.escape(text)}</p>" + grid_html(["question", "answered here by", "missing", "what it says"], rows)


def _reason(found: pd.DataFrame, name: str) -> str:
    reasons = found.loc[(found["metric_name"] == name) & (found["status"] != "ok"), "reason"].dropna().astype(str)
    first = next((reason for reason in reasons if reason), "")
    return (
        first.split(":")[0][:120] if first else "not asked for, or its network's file is missing: gmbench weights list"
    )
