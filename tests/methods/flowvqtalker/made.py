"""Small settings, made-up clips and made-up pictures for FlowVQTalker's tests."""

import numpy as np

from gmbench.methods.expression_code import ExpressionCode
from gmbench.methods.flowvqtalker.codebook_training import train_codebook
from gmbench.methods.flowvqtalker.flow_training import train_expflow, train_poseflow
from gmbench.methods.flowvqtalker.image_training import frame_pairs, load_code, train_vqig
from gmbench.methods.flowvqtalker.settings import Settings
from gmbench.methods.picture_tracks import ClipMotion
from gmbench.methods.pictures import PeoplePictures, PictureClip
from gmbench.methods.scaling import Scale
from gmbench.methods.tracks import POSE, ClipTracks
from gmbench.morphable.synthetic.model import synthetic_model

EMOTIONS = ("happy", "neutral", "sad")
FACTS = {"extractor": "logmel", "pair": "concat", "weights": "", "audio_dim": 160}
TRAIN = {"steps": 4, "batch": 2, "rate": 1e-3}
FLOW = {
    "steps": 2,
    "width": 16,
    "layers": 1,
    "heads": 2,
    "history": 3,
    "audio_halfwidth": 2,
    "window": 8,
    "train": TRAIN,
}
SMALL = Settings.model_validate({
    "expflow": FLOW | {"degrees": 4, "consistency_every": 2}, "poseflow": FLOW,
    "codebook": {"side": 32, "wavelets": True, "widths": [8], "blocks": 1, "codes": 12, "size": 8,
                 "discriminator": 4, "gate": 0, "perceptual": "randconv", "train": TRAIN},
    "vqig": {"style": 8, "flow_base": 8, "flow_most": 8, "width": 16, "layers": 1, "heads": 2, "image_from": 2,
             "train": TRAIN},
    "sampling": {"neighbours": 3},
})  # fmt: skip


def made_clips(count=9, frames=30, seed=0):
    """Smooth random tracks of two people, whose first columns tell the emotion."""
    generator = np.random.default_rng(seed)
    clips = []
    for n in range(count):
        emotion = EMOTIONS[n % 3]
        beta = np.cumsum(generator.normal(0, 0.1, (frames, 169)), axis=0) + 2 * EMOTIONS.index(emotion)
        rho = np.concatenate([0.1 * np.cumsum(generator.normal(0, 0.1, (frames, 10)), axis=0),
                              generator.uniform(0, 1, (frames, 2))], axis=1)  # fmt: skip
        audio = generator.normal(0, 1, (frames, 160))
        arrays = (a.astype(np.float32) for a in (beta, rho, audio))
        clips.append(ClipTracks(f"c{n}", f"p{n % 2}", emotion, 1, *arrays))
    return clips


def made_people(clips, side=32, seed=0):
    """Noisy pictures of those clips, whose colour follows the first column, and their coefficients."""
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 40, (sum(len(c.beta) for c in clips), side, side, 3)).astype(np.uint8)
    members, motion, first = [], {}, 0
    for n, clip in enumerate(clips):
        stop = first + len(clip.beta)
        frames[first:stop, ..., 0] += np.uint8(60 * EMOTIONS.index(clip.emotion))
        members.append(PictureClip(clip.clip_id, clip.speaker, clip.emotion, 1, False, first, stop))
        motion[n] = ClipMotion(clip.beta, clip.rho, np.ones(len(clip.beta), bool))
        first = stop
    return PeoplePictures(frames, np.zeros((first, 478, 2), np.float32), tuple(members)), motion


def write_networks(folder):
    """Train all networks for some steps and write them, with how latents are drawn."""
    clips, model = made_clips(), synthetic_model()
    people, motion = made_people(clips)
    write = {"expflow": train_expflow(clips, [], EMOTIONS, FACTS, model, SMALL.expflow, 0)[0],
             "poseflow": train_poseflow(clips, FACTS, SMALL.poseflow, 0)[0],
             "codebook": train_codebook(people, SMALL.codebook, 0)[0]}  # fmt: skip
    for name, content in write.items():
        (folder / f"{name}.safetensors").write_bytes(content)
    code, pose = ExpressionCode.fit(clips, model, "landmarks"), Scale.of([clip.rho[:, POSE] for clip in clips])
    pairs = frame_pairs(people, motion, code, pose)
    picture_code = load_code(folder / "codebook.safetensors")
    (folder / "vqig.safetensors").write_bytes(train_vqig(pairs, picture_code, code, pose, SMALL.vqig, 0)[0])
    (folder / "sampling.json").write_text(SMALL.sampling.model_dump_json())
