"""THEval's own formulas, on its FaceMesh points and in its units, for comparison with its raw row of real video.

THEval (arXiv 2511.04520, CVPR 2026), code at cfe23fe. A mesh is (T, M, 2) pixels of the points in :data:`STORED`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gmbench.metrics import face_dynamics
from gmbench.metrics.series import FPS, Series, circular_shifts
from gmbench.metrics.spec import Best, Direction, Group, MetricSpec, Need

INNER_UPPER = (191, 80, 81, 82, 13, 312, 311, 310)
INNER_LOWER = (95, 88, 178, 87, 14, 317, 402, 318)
LIPS = (
    *INNER_UPPER, *INNER_LOWER, 0, 17, 37, 39, 40, 61, 78, 84, 91, 146, 181, 185, 267, 269, 270, 291, 308, 314, 321,
    324, 375, 405, 409, 415,
)  # fmt: skip
LEFT_BROW = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
RIGHT_BROW = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
IRISES = (468, 469, 470, 471, 472, 473, 474, 475, 476, 477)
STORED = (*LIPS, *LEFT_BROW, *RIGHT_BROW, *LEFT_EYE, *RIGHT_EYE, *IRISES)
"""Points of the mesh that are kept of every frame."""
SIDE = 256.0
"""Pixels that THEval squashes a frame to, in width and height."""
LEAST_SPEECH = 0.1
"""Share of frames with speech below which lips and loudness are not compared."""
REAL = {
    "aesthetic": 4.6842, "mouth_q": 23.835, "face_q": 0.4425, "lip_dyn_th": 1.716603, "head_dyn_th": 18.46757,
    "brow_dyn_th": 0.006777, "silent_mad_th": 0.0263, "lip_rms_mae": 0.2528,
}  # fmt: skip
"""THEval's raw values of its real videos."""

_COLUMNS = {point: column for column, point in enumerate(STORED)}


def picked(mesh: Series, points: Sequence[int]) -> Series:
    """(T, k, 2) some points of a mesh by their FaceMesh numbers."""
    return mesh[:, [_COLUMNS[point] for point in points]]


def squashed(mesh: Series, height: int, width: int) -> Series:
    """The mesh of a frame (height, width) in pixels of that frame squashed to 256 x 256."""
    return mesh * np.array([SIDE / width, SIDE / height])


def lip_dynamics(mesh: Series, height: int, width: int) -> float:
    """Mean population s.d. over time of the 780 distances between 40 lip points, pixels of a squashed frame."""
    return face_dynamics.pair_spread(picked(squashed(mesh, height, width), LIPS), 0)


def brow_heights(mesh: Series) -> Series:
    """Distances (T, 2) of the centres of brow and eye, left and right, over the distance of the eye centres."""
    left, right = (picked(mesh, eye).mean(axis=1) for eye in (LEFT_EYE, RIGHT_EYE))
    scale = np.linalg.norm(left - right, axis=1)
    gaps = [picked(mesh, brow).mean(axis=1) - eye for brow, eye in ((LEFT_BROW, left), (RIGHT_BROW, right))]
    return np.asarray(np.linalg.norm(np.stack(gaps, axis=1), axis=-1) / scale[:, None])


def brow_dynamics(mesh: Series) -> float:
    """Mean absolute step of :func:`brow_heights`; steps over a frame without a face are left out, unlike there."""
    return face_dynamics.brow_dynamics(brow_heights(mesh))


def silent_opening(mesh: Series, height: int, width: int) -> NDArray[np.float64]:
    """Mean (T,) vertical distance of eight pairs of inner lip points over the distance of 33 and 263, squashed."""
    small = squashed(mesh, height, width)
    gaps = np.abs(picked(small, INNER_UPPER)[..., 1] - picked(small, INNER_LOWER)[..., 1]).mean(axis=1)
    eyes = picked(small, (33, 263))
    return np.asarray(gaps / np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=-1))


def spoken_opening(mesh: Series, height: int, width: int) -> NDArray[np.float64]:
    """Difference (T,) of mean inner lip heights in shares of the frame's height, over that of the eyes' x by width."""
    share = mesh / np.array([width, height], float)
    gap = np.abs(picked(share, INNER_UPPER)[..., 1].mean(axis=1) - picked(share, INNER_LOWER)[..., 1].mean(axis=1))
    left, right = (picked(share, eye)[..., 0].mean(axis=1) for eye in ((33, 133), (362, 263)))
    return np.asarray(gap / np.abs(right - left))


def loudness_of_frames(loudness: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """Loudness every 50 ms interpolated to the times of frames at 25 fps, (frames,)."""
    return np.interp(np.arange(frames) / FPS, np.arange(len(loudness)) * 0.05, loudness)


def scaled_difference(opening: NDArray[np.float64], loudness: NDArray[np.float64]) -> float:
    """Mean absolute difference of two series (n,) that are each scaled to 0 to 1; NaN where one is constant.

    THEval's code gives the mean of the other series there.
    """
    if len(opening) < 2 or not np.ptp(opening) > 0 or not np.ptp(loudness) > 0:
        return float("nan")
    scaled = [(series - series.min()) / (np.ptp(series) + 1e-8) for series in (opening, loudness)]
    return float(np.abs(scaled[0] - scaled[1]).mean())


def scaled_difference_chance(opening: NDArray[np.float64], loudness: NDArray[np.float64], shifts: int = 20) -> float:
    """Mean of :func:`scaled_difference` of two series (n,) under circular shifts of the second; NaN below 2 s."""
    if len(opening) < 2 * FPS:
        return float("nan")
    moved = [np.roll(loudness, shift) for shift in circular_shifts(len(opening), shifts)]
    return float(np.mean([scaled_difference(opening, one) for one in moved]))


def part_score(method: float, real: float) -> float:
    """1 - |method - real| / real: 1 where they agree, below 0 beyond twice the real value; NaN where that is 0."""
    return 1.0 - abs(method - real) / abs(real) if real != 0 else float("nan")


def final_score(parts: Mapping[str, tuple[float, float]]) -> float:
    """Unweighted mean of :func:`part_score` over parts (method's value, real value)."""
    return float(np.mean([part_score(*pair) for pair in parts.values()]))


def clip_score(method: NDArray[np.float64], real: NDArray[np.float64]) -> float:
    """Mean over clips of :func:`part_score` of clip values (n,), so that errors of clips cannot cancel."""
    return float(np.mean([part_score(a, b) for a, b in zip(method, real, strict=True)]))


_RAW = (
    "Only for a comparison with THEval's raw row of real video ({}), which is of other clips; landmarks of another "
    "MediaPipe than its. Needs landmarks with FaceMesh points (MediaPipe). "
)
_CONTROL = (
    "The score hardly sees synchrony: with the other parts at 1, THEval gives real video with sound 0.4 s late 0.955 "
    "and with another clip's sound 0.959, above the best published method (0.9345). Read late_audio beside it. Methods "
    "that take motion from the real video copy what is measured. Not comparable with the published column unless "
    "clips, backends and all eight parts are the same. "
)


def _spec(
    name: str, title: str, unit: str, needs: tuple[Need, ...], interpretation: str, caveats: str, what: str = "",
    direction: Direction = "reference", best: Best | None = None, range_: str = "[0, inf)",
    aggregation: str = "clip value -> clip mean", group: Group = "theval",
) -> MetricSpec:  # fmt: skip
    return MetricSpec(
        name=name,
        title=title,
        group=group,
        what=what,
        version=1,
        direction=direction,
        best=best,
        unit=unit,
        range=range_,
        needs=needs,
        aggregation=aggregation,
        source="THEval (arXiv 2511.04520, CVPR 2026), its code at cfe23fe",
        interpretation=interpretation,
        caveats=caveats,
        default=False,
    )


def _raw(name: str, title: str, unit: str, needs: tuple[Need, ...], interpretation: str, caveats: str) -> MetricSpec:
    return _spec(name, title, unit, needs, interpretation, _RAW.format(REAL[name]) + caveats)


def _part(raw: str, title: str, needs: tuple[Need, ...], caveats: str = "") -> MetricSpec:
    return _spec(
        f"th_{raw.removesuffix('_th')}", f"TH {title}", "", ("reference", *needs),
        f"THEval's score of {raw}: 1 where the method's mean is that of the real clips.", _CONTROL + caveats,
        what=f"How near the mean of {raw} is to that of the real clips.", direction="higher", range_="(-inf, 1]",
        aggregation="set-level: 1 - |mean - real mean| / real mean over clips with both",
    )  # fmt: skip


_QUALITY = "Quality is by pyiqa (extra iqa), one mouth at a time and faces aligned by landmarks, unlike THEval's code. "
_ALL: tuple[Need, ...] = ("reference", "audio", "speech", "pose", "landmarks", "network")
_HEARD: tuple[Need, ...] = ("audio", "speech", "landmarks")

SPECS = (
    _raw("lip_dyn_th", "Lip dyn. (THEval)", "px (256)", ("landmarks",),
         "Mean standard deviation of 780 distances between lip points in pixels of a squashed frame.",
         "No face scale: a larger face in the frame scores more. lip_dyn is the same by face size."),
    _raw("head_dyn_th", "Head dyn. (THEval)", "mixed", ("pose", "landmarks"),
         "Square root of spread of angles times variance of their steps, plus variance of the face's place.",
         "Degrees cubed and square pixels in one sum: it is travel in pixels and depends on the resolution. "
         "head_dyn_rot and head_dyn_pos are its parts. The face's box is that of the landmarks, not RetinaFace's."),
    _raw("brow_dyn_th", "Brow dyn. (THEval)", "1 / frame", ("landmarks",),
         "Mean change of the distance of brow and eye per frame.", "As brow_dyn on 52 points of the mesh; strong "
         "compression raises it as well."),
    _raw("silent_mad_th", "Silent lips (THEval)", "", _HEARD,
         "Median deviation from the mean of the mouth's opening in silences.",
         "About the mean, where the paper says median (silent_mad); vertical only, so roll counts."),
    _raw("lip_rms_mae", "Lips-loudness diff. (THEval)", "", _HEARD,
         "Mean difference of mouth opening and loudness in speech, each scaled to its own range: THEval's lip-sync.",
         "Not synchronisation: on six real clips 0.270 in step, 0.277 with sound 0.4 s late, 0.286 with another clip's "
         "sound; lips at a tenth of their amplitude score the same. Read it beside lip_rms_chance."),
    _spec("lip_rms_chance", "Lips-loudness chance", "", _HEARD,
          "lip_rms_mae of the same lips under 20 circular shifts of the sound.",
          "Undefined below two seconds of speech.", what="Lips-loudness diff. of the same lips with shifted sound.",
          best="none"),
    _part("lip_dyn_th", "lip dyn.", ("landmarks",)),
    _part("head_dyn_th", "head dyn.", ("pose", "landmarks")),
    _part("brow_dyn_th", "brow dyn.", ("landmarks",)),
    _part("silent_mad_th", "silent lips", _HEARD),
    _part("lip_rms_mae", "lips-loudness", _HEARD),
    _part("mouth_q", "mouth quality", ("landmarks", "network"), _QUALITY),
    _part("face_q", "face quality", ("landmarks", "network"), _QUALITY),
    _part("aesthetic", "aesthetics", ("network",), _QUALITY),
    _spec("th_score", "THEval", "", _ALL,
          "Mean of THEval's eight th_ parts: 1 is as real video, with or without synchrony.",
          _CONTROL + _QUALITY + "Without those three networks th_score5 has the five other parts. ",
          what="THEval's final score.", direction="higher", range_="(-inf, 1]",
          aggregation="set-level: mean of the parts"),
    _spec("th_clip", "THEval by clip", "", _ALL,
          "As th_score, each part compared clip by clip: errors of clips cannot cancel. "
          "Clips whose real value is 0 have no share in it.",
          _CONTROL + _QUALITY, what="THEval's eight parts compared clip by clip.", direction="higher",
          range_="(-inf, 1]", aggregation="set-level: mean over parts of the mean over clips"),
    _spec("th_score5", "THEval (5 parts)", "", ("reference", "audio", "speech", "pose", "landmarks"),
          "Mean of the five th_ parts that need no further network: 1 is as real video, with or without synchrony.",
          _CONTROL + "THEval's own has eight parts, three of them of image quality. ",
          what="THEval's final score of its five parts of motion and sound.", direction="higher", range_="(-inf, 1]",
          aggregation="set-level: mean of the parts"),
    _spec("th_clip5", "THEval by clip (5 parts)", "", ("reference", "audio", "speech", "pose", "landmarks"),
          "As th_score5, each part compared clip by clip: errors of clips cannot cancel. "
          "Clips whose real value is 0 have no share in it.",
          _CONTROL, what="THEval's five parts compared clip by clip.", direction="higher", range_="(-inf, 1]",
          aggregation="set-level: mean over parts of the mean over clips"),
)  # fmt: skip
