"""Sounds from another folder than the videos'."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from gmbench.clips.clip import SAMPLE_MARK, Clip
from gmbench.clips.folders import ClipFolder, find_clips, name_of
from gmbench.errors import InputError
from gmbench.media import MEDIA_SUFFIXES, suffix_of
from gmbench.names import NameIndex, closest, counted, some


@dataclass
class SoundFolder:
    """Sounds by the names of clips, and which of them were used. Sound tracks of videos in the folder count too."""

    root: Path
    _sounds: dict[str, Path]
    _index: NameIndex
    notes: list[str]
    _used: set[str] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: Path) -> "SoundFolder":
        """Find the sounds below a folder; raises InputError where there are none."""
        try:
            found = find_clips(folder, "sounds")
        except InputError as error:
            raise InputError(f"--audio: {error}") from error
        files = {name: clip.audio or clip.video for name, clip in found.clips.items()}
        sounds = {name: path for name, path in files.items() if path is not None and not path.is_dir()}
        for name in [name for name in sounds if suffix_of(name) in MEDIA_SUFFIXES and name_of(name) not in sounds]:
            sounds[name_of(name)] = sounds.pop(name)  # a.mp4.wav
        if not sounds:
            raise InputError(f"{folder}: no sounds found for --audio")
        return cls(folder, sounds, NameIndex(sounds, str(folder)), list(found.notes))

    def give(self, clips: ClipFolder) -> ClipFolder:
        """The clips with the sounds of their names, which go before a track of their own."""
        given = {name: self._give(name, clip) for name, clip in clips.clips.items()}
        without = [name for name, clip in given.items() if not clip.audio_first and clip.video is not None]
        self._asked.update(given)
        if without:
            share = f"{len(without)} of {counted(len(given), 'clip')} of {clips.root}"
            self.notes.append(f"{self.root}: no sound for {share}, their own is used ({some(without)})")
        return replace(clips, clips=given)

    def finish(self) -> list[str]:
        """What the user should know; raises InputError where no sound was used."""
        spare = [name for name in self._sounds if name not in self._used]
        if not self._used:
            raise InputError(
                f"{self.root}: no sound has the name of a clip (for example {spare[0]!r}: "
                f"{closest(spare[0], self._asked)}); rename the sounds, or list them with --pairs"
            )
        unused = f"{self.root}: {counted(len(spare), 'sound')} of --audio without a clip of that name ({some(spare)})"
        return [*self.notes, *([unused] if spare else [])]

    def _give(self, name: str, clip: Clip) -> Clip:
        base, mark, number = name.rpartition(SAMPLE_MARK)
        found = self._index.find(name)
        if found is None and mark and number.isdigit():
            found = self._index.find(base)
        if found is None:
            return clip
        self._used.add(found)
        return replace(clip, audio=self._sounds[found], audio_first=True)
