"""Videos of outside methods, copied to where they are scored."""

import sys
from pathlib import Path

from gmbench.datasets.manifest import ClipRow
from gmbench.methods import dropin
from gmbench.names import flat
from gmbench.stages.pipeline_run import PipelineRun
from gmbench.store import write_atomically


def copy_dropin(run: PipelineRun, name: str, folder: Path, rows: list[ClipRow]) -> dict[str, str]:
    """Copy an outside method's videos of clips to where they are scored; reasons by clip of what is missing."""
    clips, notes = dropin.videos(folder, run.paths.dataset)
    sys.stderr.writelines(f"warning: {note}\n" for note in notes)
    missing = {}
    for row in rows:
        clip = row.video_path.removesuffix(".mp4")
        names = [n for n in (row.clip_id, clip, flat(row.clip_id)) if n in clips]
        video = clips[names[0]].video if names else None
        if video is None or not video.is_file():
            missing[row.clip_id] = f"{folder / run.paths.dataset}: no video {clip}.mp4"
            continue
        write_atomically(run.paths.videos(name) / row.video_path, video.read_bytes())
    return missing
