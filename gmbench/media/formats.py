"""What leaves ``gmbench.media``: 25 frames a second, RGB uint8, 16 kHz mono int16; and the suffixes that are read."""

import numpy as np
from numpy.typing import NDArray

FPS = 25
SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".flv", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})
AUDIO_SUFFIXES = frozenset({".wav", ".m4a", ".mp3", ".flac", ".aac", ".ogg", ".opus"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})

Frames = NDArray[np.uint8]
Audio = NDArray[np.int16]
