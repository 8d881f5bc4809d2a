"""DICE-Talk's training as jobs: autoencoder and embedder need no other, the denoiser needs both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gmbench.corpus.track_people import TrackClip
from gmbench.corpus.truth import Truth
from gmbench.datasets.manifest import TRAIN, ClipRow
from gmbench.devices import current
from gmbench.errors import InputError
from gmbench.media import read_audio
from gmbench.methods.dicetalk.diffusion_training import train_diffusion
from gmbench.methods.dicetalk.embedder_training import train_embedder
from gmbench.methods.dicetalk.latent_training import train_vae
from gmbench.methods.dicetalk.latents import encode_bytes, load_code, part_digest
from gmbench.methods.dicetalk.picture_tokens import PictureEmbedder
from gmbench.methods.dicetalk.prior_reader import load_priors
from gmbench.methods.dicetalk.settings import STAGES, Settings
from gmbench.methods.dicetalk.speech import Listener, SpeechStates, speech_facts
from gmbench.methods.dicetalk.windows import ClipConditions, LatentWindows, face_boxes, motion_numbers
from gmbench.methods.interface import FitReport, PreparedDataset, TrainingContext
from gmbench.methods.picture_tracks import read_motion
from gmbench.methods.pictures import PeoplePictures, new_array, people_digest, read_people
from gmbench.methods.pretraining import pretraining_digest, read_pretraining
from gmbench.methods.scaling import Scale
from gmbench.methods.shipped_networks import take_shipped
from gmbench.methods.track_people import check_track_people, draw_clips, draw_pictured, track_people_digest
from gmbench.methods.tracks import ClipTracks, emotions_of, read_clips, track_digests
from gmbench.methods.training_jobs import (
    TrainedFile,
    TrainingFolder,
    TrainingJob,
    allow_atomics,
    chosen_stages,
    train_all,
    write_face_model,
)
from gmbench.morphable.model import load as load_model
from gmbench.store import digest, file_digest, write_atomically

DICETALK_TRAINING_VERSION = 1
SAMPLING = "sampling.json"
"""How videos are drawn; no network depends on it."""
ENCODED = 32
"""Frames that are encoded at once."""


@dataclass(frozen=True)
class _Data:
    """What a network learns from."""

    dataset: PreparedDataset
    pretraining: PreparedDataset
    rows: tuple[ClipRow, ...]
    settings: Settings
    seed: int


def fit_all(
    dataset: PreparedDataset, pretraining: PreparedDataset, out: Path, settings: Settings, seed: int,
    context: TrainingContext,
    stages: Sequence[str] | None = None,
) -> FitReport:  # fmt: skip
    """Train what the store lacks and write the checkpoints below ``out``.

    Raises:
        InputError: no training clips, an unknown stage, or a training that failed.
    """
    chosen = chosen_stages("dicetalk", STAGES, stages)
    jobs = [job for job in training_jobs(dataset, pretraining, settings, seed) if job.name in chosen]
    report = train_all(jobs, out, dataset.dataset, context)
    write_face_model(dataset.face_model, out)
    write_atomically(out / SAMPLING, settings.sampling.model_dump_json(indent=1).encode())
    return report


def training_jobs(
    dataset: PreparedDataset, pretraining: PreparedDataset, settings: Settings, seed: int
) -> Iterator[TrainingJob]:
    """All jobs, in order.

    Raises:
        InputError: no training clips, or track people beside data that are not the corpus'.
    """
    rows = dataset.split(TRAIN)
    if not rows:
        raise InputError(f"{dataset.dataset}: no training clips; see the splits in the manifest")
    by_speaker: dict[str, tuple[ClipRow, ...]] = {}
    for row in rows:
        by_speaker[row.speaker] = (*by_speaker.get(row.speaker, ()), row)
    data = _Data(dataset, pretraining, rows, settings, seed)
    if settings.source == "shipped" and seed:
        raise InputError(
            f"dicetalk: the networks that come with gmbench were trained at seed 0, not {seed}; set source of dicetalk"
            " to train"
        )
    if settings.embedder.drawn_people:
        asked = "track_people" if settings.embedder.track_people else "sound_again: track_people"
        check_track_people(f"dicetalk: embedder: {asked}", dataset)
        if settings.speech.source == "whisper":
            raise InputError(f"dicetalk: embedder: {asked} must be 0 with speech.source whisper")
    if settings.diffusion.drawn_people:
        check_track_people("dicetalk: diffusion: drawn_people", dataset)
    base = digest(
        "dicetalk", DICETALK_TRAINING_VERSION, seed, track_digests(dataset, dict(sorted(by_speaker.items()))),
        dict(dataset.audio_facts), pretraining_digest(pretraining), file_digest(dataset.face_model),
        settings.speech.model_dump(mode="json"), part_digest(settings.speech.whisper, ""),
    )  # fmt: skip
    people = people_digest(dataset, pretraining)

    def job(name: str, *more: object, needs: tuple[str, ...] = (), **parts: dict[str, Any]) -> TrainingJob:
        own = getattr(settings, name).model_dump(mode="json")
        made = TrainingJob(name, digest(name, own, *more), _FUNCTIONS[name], data, needs)
        if settings.source == "train":
            return made
        return take_shipped("dicetalk", made, dataset, {"settings": own, **parts})

    vae = job("vae", seed, people, DICETALK_TRAINING_VERSION, part_digest(settings.vae.folder, "vae"))
    others = track_people_digest(settings.embedder.drawn_people)
    embedder = job("embedder", base, others, speech={"source": settings.speech.source})
    files = [part_digest(settings.unet.folder, "unet"), part_digest(settings.clip_folder, "image_encoder")]
    bank, unet = settings.bank.model_dump(mode="json"), settings.unet.model_dump(mode="json")
    drawn = track_people_digest(settings.diffusion.drawn_people)
    more = (base, vae.key, embedder.key, [bank, unet], files, drawn)
    yield vae
    yield embedder
    yield job("diffusion", *more, needs=("vae", "embedder"), bank=bank, unet=unet)


def _vae(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    return train_vae(_people(data, folder), data.settings.vae, data.seed, folder.scratch, folder.progress)


def _embedder(data: _Data, folder: TrainingFolder) -> TrainedFile:
    settings = data.settings.embedder
    facts = speech_facts(data.settings.speech, data.dataset.audio_facts)
    labelled = read_clips(data.dataset, data.rows)
    others = read_pretraining(data.pretraining) if settings.unlabelled and not _same(data) else []
    if facts["source"] == "whisper":
        listener = Listener(facts)
        labelled = _heard(labelled, _sounds(data.dataset), listener)
        others = _heard(others, _sounds(data.pretraining), listener)
    drawn = draw_clips(
        settings.drawn_people, data.rows, settings.window[1], str(data.dataset.audio_facts["pair"]),
        settings.track_takes,
    )  # fmt: skip
    first = set(list(dict.fromkeys(clip.speaker for clip in drawn))[: settings.track_people])
    labelled += [clip for clip in drawn if clip.speaker in first]
    return train_embedder(
        labelled, others, emotions_of(data.rows), facts, load_model(data.dataset.face_model), settings, data.seed,
        folder.scratch, folder.progress, [clip for clip in drawn if clip.speaker not in first],
    )  # fmt: skip


def _diffusion(data: _Data, folder: TrainingFolder) -> TrainedFile:
    allow_atomics()
    s = data.settings
    device = torch.device(current())
    code = load_code(folder.needed["vae"]).to(device)
    reader, _, embedder = load_priors(folder.needed["embedder"])
    facts = {"speech": embedder["speech"], "clip": None}
    drawn = draw_pictured(s.diffusion.drawn_people, data.rows, s.diffusion.drawn_frames)
    people = _people(data, folder, drawn)
    latents = _encoded(code, people, folder.scratch)
    pictures: NDArray[np.float32] | None = None
    if s.diffusion.picture == "clip":
        seer = PictureEmbedder(s.clip_folder, device)
        facts["clip"] = seer.facts()
        parts = [seer.of_pictures(people.frames[k : k + ENCODED]) for k in range(0, len(people.frames), ENCODED)]
        pictures = np.concatenate([part.cpu().numpy() for part in parts])
    speech = read_speech(data, people, Listener(embedder["speech"]), drawn)
    motion = read_motion(data.dataset, None if _same(data) else data.pretraining, people, drawn)
    boxes, numbers = face_boxes(people), motion_numbers(motion, len(people.clips))
    classes = class_names(data.rows, s.diffusion.classes)
    clips = {}
    for n, clip in enumerate(people.clips):
        if n not in speech:
            continue
        states = speech[n].of_frames(clip.stop - clip.first)
        moved = motion.get(n)
        if moved is not None and moved.known.any():
            prior = reader.of_tracks(moved.beta[moved.known], moved.rho[moved.known], states[moved.known])
        else:
            prior = reader.of_tracks(None, None, states)
        name = class_name(clip.emotion, clip.level, s.diffusion.classes)
        label = classes.index(name) if name in classes and not clip.pretraining else -1
        clips[n] = ClipConditions(prior, speech[n], boxes[n], numbers[n], label)
    scale = Scale.of([states.values.astype(np.float32) for states in speech.values()])
    windows = LatentWindows(people, latents, clips, pictures, scale, s.diffusion)
    return train_diffusion(
        windows, classes, facts, s.diffusion, s.bank, s.unet, data.seed, s.embedder.prior == "gaussian",
        folder.scratch, folder.progress,
    )  # fmt: skip


_FUNCTIONS = {"vae": _vae, "embedder": _embedder, "diffusion": _diffusion}


def class_names(rows: Sequence[ClipRow], kind: str) -> list[str]:
    """Classes of labelled clips: emotions, or emotions with their levels; none where clips have one label or none."""
    emotions = [emotion for emotion in emotions_of(rows) if emotion]
    found = {class_name(row.emotion, row.level, kind) for row in rows if row.emotion}
    ordered = [name for e in emotions for name in sorted(found) if name.partition("/")[0] == e]
    return ordered if len(ordered) > 1 else []


def class_name(emotion: str, level: int, kind: str) -> str:
    """Class of a clip; neutral has no levels."""
    return emotion if kind == "emotions" or emotion in ("", "neutral") else f"{emotion}/{level}"


def read_speech(
    data: _Data, people: PeoplePictures, listener: Listener, drawn: Sequence[TrackClip] = ()
) -> dict[int, SpeechStates]:
    """Speech states by the clip's place in ``people``, which ``drawn`` ones are of; clips without sound are missing."""
    sounds = [_sounds(data.dataset), _sounds(data.pretraining)]
    own = {clip.clip_id: clip.sound for clip in drawn}
    found = {}
    for n, clip in enumerate(people.clips):
        if clip.clip_id in own:
            found[n] = listener.of_sound(own[clip.clip_id], clip.stop - clip.first)
            continue
        path = sounds[int(clip.pretraining)].get(clip.clip_id)
        if path is not None and path.exists():
            found[n] = listener.of_sound(read_audio(path), clip.stop - clip.first)
    return found


def _sounds(dataset: PreparedDataset) -> dict[str, Path]:
    """File with the sound of each training clip; of the corpus its people for pre-training too."""
    found = {row.clip_id: dataset.crops / row.video_path for row in dataset.split(TRAIN)}
    if dataset.true_tracks is not None:
        table = Truth(dataset.true_tracks).clips
        found |= {str(name): dataset.true_tracks / str(row["audio"]) for name, row in table.iterrows()}
    return found


def _heard(clips: Sequence[ClipTracks], sounds: Mapping[str, Path], listener: Listener) -> list[ClipTracks]:
    """Clips with Whisper's states for their audio features."""
    found = []
    for clip in clips:
        stop = clip.first + len(clip.rho)
        states = listener.of_sound(read_audio(sounds[clip.clip_id]), stop).of_frames(stop)
        found.append(replace(clip, audio=states[clip.first :]))
    return found


def _encoded(code: Any, people: PeoplePictures, folder: Path) -> NDArray[np.float32]:
    """Latents (N, c, s, s) of all frames, memory-mapped."""
    first = encode_bytes(code, people.frames[:1])
    latents = new_array(folder / "latents", "latents", np.float32, (len(people.frames), *first.shape[1:]))
    for k in range(0, len(latents), ENCODED):
        latents[k : k + ENCODED] = encode_bytes(code, people.frames[k : k + ENCODED]).cpu().numpy()
    return latents


def _people(data: _Data, folder: TrainingFolder, drawn: Sequence[TrackClip] = ()) -> PeoplePictures:
    return read_people(data.dataset, data.pretraining, folder.scratch / "pictures", data.settings.vae.side, drawn)


def _same(data: _Data) -> bool:
    """Whether the many people are the labelled ones themselves."""
    return data.pretraining.dataset == data.dataset.dataset and data.pretraining.true_tracks is None
