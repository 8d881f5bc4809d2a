"""What leaves ``gmbench.media``: 25 frames a second, RGB uint8, 16 kHz mono int16; and the suffixes that are read.

Suffixes are compared in lower case.
"""

import numpy as np
from numpy.typing import NDArray

FPS = 25
SAMPLE_RATE = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(names.split())


VIDEO_SUFFIXES = _suffixes(
    """
    .mp4 .m4v .mov .qt .3gp .3g2 .f4v .flv .avi .divx .mkv .webm .ogv .ogm .mpg .mpeg .mpe .m1v .m2v .vob .ts .mts
    .m2ts .m2t .wmv .asf .mxf .dv .nut .y4m .rm .rmvb .wtv .gif .apng .mjpg .mjpeg .h264 .264 .h265 .265 .hevc .ivf .obu
    """
)
AUDIO_SUFFIXES = _suffixes(
    """
    .wav .wave .w64 .m4a .m4b .mp3 .mp2 .mpga .aac .flac .ogg .oga .opus .spx .aif .aiff .aifc .au .snd .caf .wma .mka
    .weba .ac3 .eac3 .dts .amr .ape .wv .tta .tak .voc .sph
    """
)
IMAGE_SUFFIXES = _suffixes(".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2")
UNREAD_SUFFIXES = _suffixes(
    """
    .swf .braw .r3d .ari .mpd .m3u8 .m4s .mlp .thd .mid .midi .m4p .aax .heic .heif .avif .jxl .exr .hdr .tga .psd .svg
    .ico .raw .cr2 .nef .dng
    """
)
"""Suffixes of media that are not read here: files that bear them are named, not passed over."""

Frames = NDArray[np.uint8]
Audio = NDArray[np.int16]
