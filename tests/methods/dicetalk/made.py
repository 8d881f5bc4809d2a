"""Small settings and a made-up folder of trained networks for DICE-Talk's tests."""

from dataclasses import replace

import numpy as np

from gmbench.methods.dicetalk.diffusion_training import train_diffusion
from gmbench.methods.dicetalk.embedder_training import train_embedder
from gmbench.methods.dicetalk.latent_training import train_vae
from gmbench.methods.dicetalk.latents import encode_bytes, load_code
from gmbench.methods.dicetalk.prior_reader import load_priors
from gmbench.methods.dicetalk.settings import Settings
from gmbench.methods.dicetalk.speech import SpeechStates
from gmbench.methods.dicetalk.windows import ClipConditions, LatentWindows, face_boxes, motion_numbers
from gmbench.methods.picture_tracks import ClipMotion
from gmbench.methods.pictures import PeoplePictures, PictureClip
from gmbench.methods.scaling import Scale
from gmbench.methods.tracks import ClipTracks
from gmbench.morphable.synthetic.model import synthetic_model

EMOTIONS = ("happy", "neutral", "sad")
FACTS = {"source": "features", "rate": 25,
         "audio": {"extractor": "logmel", "pair": "concat", "weights": "", "audio_dim": 160}}  # fmt: skip
TRAIN = {"steps": 4, "batch": 4, "rate": 1e-3}
SMALL_SETTINGS = {
    "speech": {"source": "features"},
    "vae": {"codec": "lapped", "side": 32, "channels": 6, "width": 8, "gate": 0, "train": TRAIN},
    "embedder": {"width": 16, "heads": 2, "visual_layers": 1, "audio_layers": 1, "fusion_layers": 1,
                 "window": [8, 12], "train": TRAIN | {"batch": 8}, "sound_again": {"train": TRAIN | {"batch": 8}}},
    "bank": {"entries": 4, "width": 32, "tokens": 3, "heads": 2},
    "unet": {"widths": [64, 64], "attention": [True, False], "layers": 1, "heads": [2, 2], "numbers": 8,
             "checkpointing": False},
    "diffusion": {"latent": "residual", "picture": "latent", "reference": "neutral", "sound_tokens": 2,
                  "sound_width": 16, "guider": [8], "window": 4, "classifier": [16, 8], "average": 0.9,
                  "train": TRAIN},
    "sampling": {"steps": 2, "highest": 40, "shift": 1},
}  # fmt: skip
SMALL = Settings.model_validate(SMALL_SETTINGS)


def small(**parts):
    """The small settings with values of parts changed."""
    merged = {name: SMALL_SETTINGS.get(name, {}) | parts.get(name, {}) for name in {*SMALL_SETTINGS, *parts}}
    return Settings.model_validate(merged)


def made_clips(count=9, frames=24, seed=0):
    """Random tracks of two people, whose first columns tell the emotion."""
    generator = np.random.default_rng(seed)
    clips = []
    for n in range(count):
        emotion = EMOTIONS[n % 3]
        beta = generator.normal(0, 0.3, (frames, 169)) + 2 * EMOTIONS.index(emotion)
        rho = np.concatenate([generator.normal(0, 0.05, (frames, 10)), generator.uniform(0, 1, (frames, 2))], axis=1)
        audio = generator.normal(0, 1, (frames, 160))
        arrays = (a.astype(np.float32) for a in (beta, rho, audio))
        clips.append(ClipTracks(f"c{n}", f"p{n % 2}", emotion, 1, *arrays))
    return clips


def made_voices(count):
    """Six clips of each person, whose sound tells strongly who speaks and faintly what is felt."""
    generator = np.random.default_rng(1)
    people, emotions = generator.normal(0, 2, (count // 6, 160)), generator.normal(0, 0.5, (3, 160))
    clips = []
    for n, clip in enumerate(made_clips(count)):
        sound = clip.audio + people[n // 6] + emotions[EMOTIONS.index(clip.emotion)]
        clips.append(replace(clip, speaker=f"p{n // 6}", audio=sound.astype(np.float32)))
    return clips


def made_people(clips, side=32, seed=0, pretraining=()):
    """Noisy pictures of those clips, whose colour follows the emotion, with landmarks in the middle."""
    generator = np.random.default_rng(seed)
    count = sum(len(c.beta) for c in clips)
    frames = generator.integers(0, 40, (count, side, side, 3)).astype(np.uint8)
    members, first = [], 0
    for n, clip in enumerate(clips):
        stop = first + len(clip.beta)
        frames[first:stop, ..., 0] += np.uint8(60 * EMOTIONS.index(clip.emotion))
        members.append(PictureClip(clip.clip_id, clip.speaker, clip.emotion, 1, n in pretraining, first, stop))
        first = stop
    landmarks = side * generator.uniform(0.25, 0.75, (count, 478, 2)).astype(np.float32)
    return PeoplePictures(frames, landmarks, tuple(members))


def made_windows(folder, settings=SMALL, pretraining=(7, 8)):
    """Windows of made-up clips, encoded by the networks of a folder; the last clips have no label."""
    clips = made_clips()
    people = made_people(clips, settings.vae.side, pretraining=pretraining)
    code = load_code(folder / "vae.safetensors")
    reader, _, _ = load_priors(folder / "embedder.safetensors")
    motion = {n: ClipMotion(c.beta, c.rho, np.ones(len(c.beta), bool)) for n, c in enumerate(clips)}
    boxes, numbers = face_boxes(people), motion_numbers(motion, len(clips))
    conditions = {
        n: ClipConditions(
            reader.of_tracks(c.beta, c.rho, c.audio), SpeechStates(c.audio, 25, 160), boxes[n], numbers[n],
            -1 if n in pretraining else EMOTIONS.index(c.emotion),
        )
        for n, c in enumerate(clips)
    }  # fmt: skip
    latents = encode_bytes(code, people.frames).numpy()
    return LatentWindows(people, latents, conditions, None, Scale.of([c.audio for c in clips]), settings.diffusion)


def write_networks(folder, settings=SMALL):
    """Train all networks for some steps and write them, with how videos are drawn."""
    clips = made_clips()
    model = synthetic_model()
    content = train_embedder(clips[:7], clips[7:], EMOTIONS, FACTS, model, settings.embedder, 0)[0]
    (folder / "embedder.safetensors").write_bytes(content)
    (folder / "vae.safetensors").write_bytes(train_vae(made_people(clips, settings.vae.side), settings.vae, 0)[0])
    windows = made_windows(folder, settings)
    content, report = train_diffusion(
        windows, EMOTIONS, {"speech": FACTS, "clip": None}, settings.diffusion, settings.bank, settings.unet, 0,
        settings.embedder.prior == "gaussian",
    )  # fmt: skip
    (folder / "diffusion.safetensors").write_bytes(content)
    (folder / "sampling.json").write_text(settings.sampling.model_dump_json())
    return report
