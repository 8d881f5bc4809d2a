"""Figures of head motion, from the features that scoring used: sound against motion, and where the face travelled."""

import html
from collections.abc import Sequence
from pathlib import Path

from gmbench.audio.onsets import onset_frames
from gmbench.audio.spectra import mel_spectrogram
from gmbench.evaluation.scoring.clip_data import ClipFeatures, FeatureReader, Unscored
from gmbench.media import read_audio
from gmbench.metrics import beats, head_motion
from gmbench.reporting import figures
from gmbench.reporting.page.markup import picture_html
from gmbench.stages.evaluation_plan import make_plan
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.stages.scored_clips import scored_rows


def head_motion_html(run: PipelineRun, methods: Sequence[str], folder: Path) -> str:
    """Correlation map and trace map of the longest scored clip as HTML; a line where its features are missing."""
    section = run.params.datasets[run.paths.dataset]
    planned = make_plan(run, section)
    row = max(scored_rows(run), key=lambda r: (r.n_frames, r.clip_id))
    reader = FeatureReader(run.store, planned.keys, {})
    clips = [clip for clip in planned.clips if clip.clip == row.video_path.removesuffix(".mp4")]
    if not clips or clips[0].reference is None:
        return ""
    reference = reader.features_of(clips[0].reference)
    generated = {clip.method: reader.features_of(clip.generated) for clip in clips if clip.method in methods}
    features = {"reference": reference} | generated
    stem = folder / "figures" / f"{run.paths.dataset}-heads"
    try:
        axis = head_motion.principal_axis(reference.pose)
        heads = {name: _motion(side, axis) for name, side in features.items()}
        mel = mel_spectrogram(read_audio(run.paths.crops / row.video_path))
        sound = reference.onset_strength, onset_frames(reference.onset_times)
        correlation = figures.correlation_map(mel, *sound, heads, stem.with_name(f"{stem.name}-correlation"))
        _, height, width = reference.size
        traces = {name: side.landmarks for name, side in features.items()}
        trace = figures.trace_map(traces, (height, width), stem.with_name(f"{stem.name}-trace"))
    except Unscored as error:
        return f"<p>No maps of head motion: {html.escape(str(error))}.</p>"
    return picture_html(
        f"figures/{correlation}", f"Sound and heads of {row.clip_id}; heads along the reference's main axis"
    ) + picture_html(f"figures/{trace}", f"The landmarks' way through {row.clip_id}")


def _motion(side: ClipFeatures, axis: object) -> figures.Motion:
    return figures.Motion(head_motion.project(side.pose, axis), beats.motion_beats(side.pose))  # type: ignore[arg-type]
