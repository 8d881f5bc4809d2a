"""Clips below a folder: videos, folders of frames, and the sound and landmarks beside them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gmbench.clips.clip import Clip
from gmbench.emotions import in_name
from gmbench.errors import InputError
from gmbench.face.faces import SIDECAR_SUFFIX
from gmbench.media import (
    AUDIO_SUFFIXES,
    MEDIA_SUFFIXES,
    VIDEO_SUFFIXES,
    FrameNames,
    MediaFolder,
    frame_names,
    suffix_of,
    walk,
)
from gmbench.names import NameIndex, check_clip_name, composed, counted, printable, some

_WORD_END = re.compile(r"[_\-. ]")
_LOSSLESS = (".wav", ".flac")
"""Of several sounds of one clip the first of these is taken."""
_ANIMATIONS = (".gif", ".apng")
"""Videos that show what a folder of frames holds, where they lie in one."""
_LOOKED_AT = 5
"""Pictures of a folder that are looked at to tell previews of videos from frames."""


@dataclass(frozen=True)
class ClipFolder:
    """What lies below a folder.

    Attributes:
        root: the folder.
        clips: by name, in order of the names.
        doubtful: folders with pictures that hardly are clips, such as one picture beside videos. They are clips where
            the other side of a comparison has one of that name.
        unread: why a file that looks like media is not read, by the name that its clip would have.
        notes: what was left out, and what is odd.
    """

    root: Path
    clips: dict[str, Clip]
    doubtful: dict[str, Clip] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def beside(self, others: Iterable["ClipFolder"]) -> "ClipFolder":
        """The same folder; a doubtful clip is one where another folder has a clip of that name, else it is left out."""
        if not self.doubtful:
            return self
        known = [NameIndex(other.clips, str(other.root)) for other in others]
        free = {name: clip for name, clip in self.doubtful.items() if name not in self.clips}
        taken = {name: clip for name, clip in free.items() if any(index.find(name) for index in known)}
        left = [f"{name}/" for name in self.doubtful if name not in taken]
        note = f"{self.root}: {counted(len(left), 'folder')} with pictures, but hardly clips, left out ({some(left)})"
        notes = (*self.notes, note) if left else self.notes
        return replace(self, clips=dict(sorted((self.clips | taken).items())), doubtful={}, notes=notes)


def find_clips(folder: Path, wanted: str = "videos") -> ClipFolder:
    """All clips below a folder: videos, folders of images, and the sound and landmarks beside them.

    The first folder of a nested name is the speaker; an emotion that a part of the name says is the clip's. ``wanted``
    is what the message says where there is nothing: ``videos`` or ``sounds``.

    Raises:
        InputError: no such folder, nothing in it, or two videos of one name.
    """
    if not folder.exists():
        raise InputError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of videos, got a file")
    found = _Found(folder, wanted)
    for part in walk(folder):
        found.add(part)
    return found.result()


def name_of(path: str) -> str:
    """Clip name of a file below the root: its path without suffix, in composed Unicode."""
    return composed(path[: path.rindex(".")] if suffix_of(path.rpartition("/")[2]) else path)


@dataclass
class _Pictures:
    """A folder with pictures and without videos: a clip, perhaps. ``stems``: names of the first of its files."""

    path: Path
    names: FrameNames
    stems: tuple[str, ...]
    sounds: tuple[Path, ...]


@dataclass
class _Found:
    """Files by the name of the clip that they belong to, gathered folder by folder."""

    root: Path
    wanted: str = "videos"
    videos: dict[str, Path] = field(default_factory=dict)
    pictures: dict[str, _Pictures] = field(default_factory=dict)
    sounds: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    landmarks: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    unread: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    loose: list[str] = field(default_factory=list)
    previews: list[str] = field(default_factory=list)

    def add(self, part: MediaFolder) -> None:
        """Take in one folder."""
        previews = _previews(part)
        videos = [name for name in part.videos if name not in previews]
        self.previews += map(part.below_root, previews)
        for name in videos:
            self._add_video(name_of(part.below_root(name)), part.path / name)
        if part.pictures and (videos or not part.relative):
            self.loose += map(part.below_root, part.pictures)
        elif part.pictures:
            self.pictures[composed(part.relative)] = _pictures(part)
        for name in part.sounds if composed(part.relative) not in self.pictures else ():
            self.sounds[name_of(part.below_root(name))].append(part.path / name)
        for name in part.others:
            if name.lower().endswith(SIDECAR_SUFFIX):
                self.landmarks[composed(part.below_root(name)[: -len(SIDECAR_SUFFIX)])].append(part.path / name)
            else:
                reason = "not a video by its suffix" if suffix_of(name) else "a file without a suffix"
                clip = name_of(part.below_root(name))
                clip = name_of(clip) if suffix_of(clip) in MEDIA_SUFFIXES else clip
                self.unread.setdefault(clip, printable(f"{part.path / name}: {reason}"))
        for item in part.unread:
            place = part.below_root(item.path.name) if item.path != part.path else part.relative or "."
            self.reasons[item.reason].append(place)
            self.unread[name_of(place)] = printable(f"{item.path}: {item.reason}")

    def result(self) -> ClipFolder:
        """The clips; raises InputError where there are none."""
        doubtful = self._doubtful()
        for name, folder in self.pictures.items():
            if name in doubtful:
                for sound in folder.sounds:
                    self.sounds[name_of(f"{name}/{sound.name}")].append(sound)
            else:
                self._add_video(name, folder.path)
                self.sounds[name] += folder.sounds
        sounds, landmarks = self._by_clip(self.sounds), self._by_clip(self.landmarks)
        names = sorted(self.videos.keys() | sounds.keys())
        if not names:
            raise InputError(self._nothing())
        notes = [*self._notes(doubtful), *_side_notes(sounds, landmarks, self.videos.keys() | doubtful)]
        return ClipFolder(
            self.root,
            {name: self._clip(name, self.videos.get(name), sounds, landmarks) for name in names},
            {name: self._clip(name, self.pictures[name].path, sounds, landmarks) for name in sorted(doubtful)},
            self.unread,
            tuple(f"{self.root}: {note}" for note in notes),
        )

    def _add_video(self, name: str, path: Path) -> None:
        if name in self.videos:
            raise InputError(f"{path}: the same clip as {self.videos[name].name}; keep one of them")
        self.videos[name] = path

    def _doubtful(self) -> set[str]:
        """Folders of pictures that are no clips by themselves: one picture, previews, masks inside of a clip."""
        stems = {name.rpartition("/")[2] for name in self.videos}
        likely = {
            name
            for name, item in self.pictures.items()
            if item.names.numbered and not all(_shows_one_of(stems, stem) for stem in item.stems)
        }
        inner = {name for name in likely if any(above in likely for above in _folders_above(name))}
        likely -= inner
        return self.pictures.keys() - likely if likely or self.videos else set()

    def _by_clip(self, files: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
        """Files by clip: ``a.mp4.wav`` belongs to clip ``a`` as ``a.wav`` does. The best comes first."""
        result: dict[str, list[Path]] = defaultdict(list)
        for name, paths in files.items():
            short = name_of(name) if suffix_of(name) in MEDIA_SUFFIXES else name
            result[short if name not in self.videos and short in self.videos else name] += paths
        return {name: sorted(paths, key=_preference) for name, paths in result.items() if paths}

    def _clip(
        self, name: str, video: Path | None, sounds: dict[str, list[Path]], landmarks: dict[str, list[Path]]
    ) -> Clip:
        return Clip(
            check_clip_name(name, str(self.root)),
            video,
            next(iter(sounds.get(name, ())), None),
            next(iter(landmarks.get(name, ())), None),
            speaker=name.partition("/")[0] if "/" in name else "",
            emotion=in_name(name),
        )

    def _nothing(self) -> str:
        """Why there are no clips."""
        hint = "; its own pictures are the frames of one clip: pass the folder above" if self.loose else ""
        left = "".join(f"; {note}" for note in self._unread_notes())
        kinds = (
            f"MP4, MOV, MKV, AVI, WebM and other videos, {len(VIDEO_SUFFIXES)} suffixes, and folders of numbered images"
        )
        if self.wanted == "sounds":
            kinds = f"WAV, M4A, MP3, FLAC and other sounds, {len(AUDIO_SUFFIXES)} suffixes, and videos"
        return f"{self.root}: no {self.wanted} found (looked for {kinds}){hint}{left}"

    def _unread_notes(self) -> Iterator[str]:
        for reason, places in self.reasons.items():
            yield f"{counted(len(places), 'entry', 'entries')} not read ({some(places)}): {reason}"

    def _notes(self, doubtful: set[str]) -> Iterator[str]:
        yield from self._unread_notes()
        if self.loose:
            yield f"{counted(len(self.loose), 'picture')} beside videos not used ({some(self.loose)})"
        if self.previews:
            yield f"{counted(len(self.previews), 'animation')} among frames not used ({some(self.previews)})"
        clips = {name: item.names for name, item in self.pictures.items() if name not in doubtful}
        strays = [f"{name}/{stray}" for name, names in clips.items() for stray in names.strays]
        if strays:
            yield f"{counted(len(strays), 'picture')} outside of the numbered frames left out ({some(strays)})"
        gaps = [f"{name}: {names.gaps}" for name, names in clips.items() if names.gaps]
        if gaps:
            yield f"frames are not numbered one by one in {counted(len(gaps), 'clip')} ({some(gaps)})"


def _previews(part: MediaFolder) -> list[str]:
    """Animations in a folder of frames."""
    animations = [name for name in part.videos if suffix_of(name) in _ANIMATIONS]
    return animations if len(animations) == len(part.videos) and len(frame_names(part.pictures).frames) > 1 else []


def _pictures(part: MediaFolder) -> _Pictures:
    names = frame_names(part.pictures)
    stems = tuple(name_of(name) for name in (names.frames or part.pictures)[:_LOOKED_AT])
    return _Pictures(part.path, names, stems, tuple(part.path / name for name in part.sounds))


def _shows_one_of(videos: set[str], picture: str) -> bool:
    """Whether a picture is named like a video: ``a``, or ``a`` and more, ``a_thumb``."""
    return any(picture[:end] in videos for end in (*(m.start() for m in _WORD_END.finditer(picture)), len(picture)))


def _folders_above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _preference(path: Path) -> tuple[int, str]:
    suffix = suffix_of(path.name)
    return (_LOSSLESS.index(suffix) if suffix in _LOSSLESS else len(_LOSSLESS)), path.name


def _side_notes(sounds: dict[str, list[Path]], landmarks: dict[str, list[Path]], clips: set[str]) -> Iterator[str]:
    """What of the files beside the videos is not used."""
    several = [f"{paths[0].name} before {paths[1].name}" for name, paths in sounds.items() if len(paths) > 1]
    if several:
        yield f"{counted(len(several), 'clip')} with several sounds, one taken ({some(several)})"
    lost = [paths[0].name for name, paths in landmarks.items() if name not in clips]
    if lost:
        yield f"{counted(len(lost), 'landmark file')} without a clip of that name ({some(lost)})"
