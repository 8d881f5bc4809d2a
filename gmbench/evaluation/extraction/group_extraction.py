"""Extraction of a group: one reference and everything compared with it, read in step.

A group is the unit of work. Its clips are read side by side in batches; landmarks, frame features and
pair features are computed as the frames pass, and stored as soon as a clip is through. That decodes each clip once.
Feature extractors that read whole clips need all landmarks before the first frame: for them a clip is decoded a second
time (:mod:`gmbench.evaluation.extraction.clip_pass`), and a third time where one requires another, as SyncNet's crop
requires S3FD's boxes.
"""

from gmbench.devices import Networks, dealt, networks_on
from gmbench.devices.serving import ServerAddress
from gmbench.evaluation.extraction.clip_group import ClipGroup
from gmbench.evaluation.extraction.clip_pass import extract_clip_features
from gmbench.evaluation.extraction.features import ClipSource, PairFeature
from gmbench.evaluation.extraction.frame_pass import FramePass
from gmbench.evaluation.extraction.outcome import UNEXPECTED, Outcome
from gmbench.evaluation.extraction.pair_pass import PairPass
from gmbench.evaluation.extraction.sound_features import extract_sound_features
from gmbench.executor import one_thread
from gmbench.store import Store


def extract_group(group: ClipGroup) -> Outcome:
    """Compute and store what the store lacks, with networks in this process, on the protocol's device."""
    return extract_with(networks_on(dealt(group.keys.protocol.device, 0)), group)


def extract_served(server: ServerAddress, group: ClipGroup) -> Outcome:
    """As :func:`extract_group`, with networks that the process which started this one asks."""
    return extract_with(server.networks(), group)


def extract_with(networks: Networks, group: ClipGroup) -> Outcome:
    """Compute and store what the store lacks.

    Unusable files become failures in the outcome, and so does an unexpected error, with its type and its traceback.

    Raises:
        StoreError: results cannot be written. WeightsError: a network's file is missing.
    """
    outcome = Outcome(group.name)
    with one_thread():
        try:
            _extract(group, outcome, networks)
        except UNEXPECTED as error:  # beside what is caught clip by clip and feature by feature
            reason = outcome.reason(error, group.name)
            outcome.failures = dict.fromkeys(group.feature_keys(), reason) | outcome.failures
    return outcome


def _extract(group: ClipGroup, outcome: Outcome, networks: Networks) -> None:
    store = Store(group.store)
    sources = group.sources
    with store.together():  # a video's own sound and its pictures are one clip
        _extract_sound_and_frames(group, store, outcome, networks)
    identity = group.keys.identity
    for source in {(identity(source), source.sound): source for source in sources}.values():
        generated = any(identity(source) == identity(candidate) for candidate in group.candidates)
        wanted = (*group.reference_features, *(group.clip_features if generated else ()))
        extract_clip_features(source, wanted, group.keys, store, outcome, networks)


def _extract_sound_and_frames(group: ClipGroup, store: Store, outcome: Outcome, networks: Networks) -> None:
    sources = group.sources
    if group.audio:
        for source in {source.sound: source for source in sources}.values():
            extract_sound_features(source, group.keys, store, outcome)
    pairs = _missing_pairs(group, store)
    identity = group.keys.identity
    paired = {identity(source) for generated, reference, _ in pairs for source in (generated, reference)}
    tracks: dict[str, FramePass] = {}
    try:
        for name, source in {identity(source): source for source in sources}.items():
            track = FramePass(source, group, store, outcome, networks)
            if name in paired or track.missing:
                tracks[name] = track
                track.guarded(track.open)
        passes = [PairPass(tracks[identity(g)], tracks[identity(r)], wanted, networks) for g, r, wanted in pairs]
        longest = max((pair.start(group.keys.protocol.pairing) for pair in passes), default=0)
        for step in range(longest):
            for pair in passes:
                pair.step(step, outcome)
        for track in tracks.values():
            track.guarded(track.finish)
        for pair in passes:
            pair.finish(store, outcome)
    finally:
        for track in tracks.values():
            track.close()


def _missing_pairs(group: ClipGroup, store: Store) -> list[tuple[ClipSource, ClipSource, dict[str, PairFeature]]]:
    """Pairs of sources with their features that the store lacks; of equal pictures one is enough."""
    if group.reference is None:
        return []
    pairs = {}
    for candidate in group.candidates:
        wanted = {group.keys.pair(f, candidate, group.reference): f for f in group.pair_features}
        wanted = {key: feature for key, feature in wanted.items() if not store.has(key)}
        if wanted:
            pairs[group.keys.identity(candidate)] = (candidate, group.reference, wanted)
    return list(pairs.values())
