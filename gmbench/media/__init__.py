"""The only place that decodes or encodes video and audio.

Everything that leaves it is 25 frames per second, RGB uint8, 16 kHz mono int16.
"""

from gmbench.media.audio import has_audio, read_audio
from gmbench.media.encode import coded_and_decoded, encode_audio, encode_video, write_audio, write_video
from gmbench.media.few_frames import ON_CARD, chosen_reader, few_frames
from gmbench.media.files import check_file
from gmbench.media.formats import (
    AUDIO_SUFFIXES,
    FPS,
    IMAGE_SUFFIXES,
    SAMPLE_RATE,
    SAMPLES_PER_FRAME,
    UNREAD_SUFFIXES,
    VIDEO_SUFFIXES,
    Audio,
    Frames,
)
from gmbench.media.frame_folder import FrameNames, frame_names, natural_key, suffix_of
from gmbench.media.images import image_files, read_image
from gmbench.media.shape import resize
from gmbench.media.tree import MEDIA_SUFFIXES, MediaFolder, walk
from gmbench.media.video import Video, VideoInfo

__all__ = [
    "AUDIO_SUFFIXES", "FPS", "IMAGE_SUFFIXES", "MEDIA_SUFFIXES", "ON_CARD", "SAMPLES_PER_FRAME", "SAMPLE_RATE",
    "UNREAD_SUFFIXES", "VIDEO_SUFFIXES", "Audio", "FrameNames", "Frames", "MediaFolder", "Video", "VideoInfo",
    "check_file", "chosen_reader", "coded_and_decoded", "encode_audio", "encode_video", "few_frames", "frame_names",
    "has_audio", "image_files", "natural_key", "read_audio", "read_image", "resize", "suffix_of", "walk",
    "write_audio", "write_video",
]  # fmt: skip
