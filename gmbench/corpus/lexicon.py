"""A small lexicon: phonemes with their sound and mouth, words with their phonemes, and random sentences."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Phoneme:
    """How a phoneme sounds and looks.

    Attributes:
        formants: F1, F2, F3 in Hz.
        voice, noise: loudness of the pulse train and of hiss, 0 to 1.
        hiss: centre of the hiss in Hz.
        seconds: usual length.
        mouth: targets of expression columns by name.
    """

    formants: tuple[float, float, float]
    voice: float
    noise: float
    hiss: float
    seconds: float
    mouth: dict[str, float]


def _vowel(f1: float, f2: float, f3: float, seconds: float, **mouth: float) -> Phoneme:
    return Phoneme((f1, f2, f3), 1.0, 0.0, 3000.0, seconds, mouth)


PHONEMES = {
    "AA": _vowel(730, 1090, 2440, 0.15, jaw_open=0.85, lower_lip_down=0.3),
    "AE": _vowel(660, 1720, 2410, 0.14, jaw_open=0.65, stretch=0.5, lower_lip_down=0.3),
    "EH": _vowel(530, 1840, 2480, 0.12, jaw_open=0.45, stretch=0.35, lower_lip_down=0.2),
    "IY": _vowel(270, 2290, 3010, 0.13, jaw_open=0.14, stretch=0.85, upper_lip_up=0.25, lower_lip_down=0.35),
    "OW": _vowel(500, 900, 2400, 0.15, jaw_open=0.42, funnel=0.8, pucker=0.3),
    "UW": _vowel(300, 870, 2240, 0.14, jaw_open=0.16, pucker=0.95),
    "AH": _vowel(620, 1190, 2390, 0.10, jaw_open=0.42),
    "ER": _vowel(490, 1350, 1690, 0.13, jaw_open=0.28, funnel=0.45),
    "M": Phoneme((250, 1100, 2200), 0.45, 0.0, 3000, 0.08, {"lips_press": 0.9}),
    "P": Phoneme((300, 900, 2200), 0.02, 0.05, 1500, 0.08, {"lips_press": 1.0}),
    "F": Phoneme((300, 1400, 2500), 0.05, 0.35, 5500, 0.10, {"lip_tuck": 1.0, "upper_lip_up": 0.25, "jaw_open": 0.1}),
    "V": Phoneme((300, 1400, 2500), 0.45, 0.15, 5000, 0.08, {"lip_tuck": 0.8, "upper_lip_up": 0.2, "jaw_open": 0.1}),
    "S": Phoneme(
        (300, 1700, 2600), 0.0, 0.60, 6500, 0.11, {"stretch": 0.5, "lower_lip_down": 0.35, "upper_lip_up": 0.2}
    ),
    "SH": Phoneme((300, 1800, 2500), 0.0, 0.60, 3200, 0.11, {"funnel": 0.9, "jaw_open": 0.1}),
    "T": Phoneme((300, 1700, 2600), 0.03, 0.30, 4500, 0.07, {"jaw_open": 0.12, "stretch": 0.2, "upper_lip_up": 0.1}),
    "N": Phoneme((280, 1500, 2500), 0.50, 0.0, 3000, 0.08, {"jaw_open": 0.18, "stretch": 0.15}),
    "L": Phoneme((360, 1300, 2700), 0.65, 0.0, 3000, 0.07, {"jaw_open": 0.28, "stretch": 0.15, "upper_lip_up": 0.1}),
    "R": Phoneme((330, 1150, 1500), 0.65, 0.0, 3000, 0.07, {"funnel": 0.5, "jaw_open": 0.15}),
    "K": Phoneme((300, 1900, 2400), 0.03, 0.25, 2500, 0.08, {"jaw_open": 0.25}),
    "W": Phoneme((300, 650, 2200), 0.60, 0.0, 3000, 0.07, {"pucker": 0.9, "jaw_open": 0.08}),
    "SIL": Phoneme((500, 1500, 2500), 0.0, 0.0, 3000, 0.15, {}),
}
VOWELS = frozenset({"AA", "AE", "EH", "IY", "OW", "UW", "AH", "ER"})

WORDS = {
    "the": "T AH", "a": "AH", "we": "W IY", "she": "SH IY", "to": "T UW", "no": "N OW", "is": "IY S", "of": "AH V",
    "mail": "M EH L", "moon": "M UW N", "paper": "P EH P ER", "coffee": "K AA F IY", "sofa": "S OW F AH",
    "ocean": "OW SH AH N", "lemon": "L EH M AH N", "movie": "M UW V IY", "family": "F AE M L IY", "room": "R UW M",
    "name": "N EH M", "water": "W AA T ER", "fish": "F IY SH", "follow": "F AA L OW", "know": "N OW", "see": "S IY",
    "tell": "T EH L", "show": "SH OW", "open": "OW P AH N", "meet": "M IY T", "pull": "P UW L", "walk": "W AA K",
    "seven": "S EH V AH N", "piano": "P IY AE N OW", "river": "R IY V ER", "supper": "S AH P ER", "window": "W IY N OW",
    "fury": "F UW R IY", "rage": "R EH SH", "furious": "F UW R IY AH S", "smug": "S M AH K", "petty": "P EH T IY",
    "lame": "L EH M", "rotten": "R AA T AH N", "slime": "S L AA M", "foul": "F AA W L", "terror": "T EH R ER",
    "alarm": "AH L AA R M", "panic": "P AE N IY K", "lovely": "L AH V L IY", "smile": "S M AA L", "happy": "AE P IY",
    "sorrow": "S AA R OW", "alone": "AH L OW N", "tears": "T IY R S", "sudden": "S AH T AH N", "shock": "SH AA K",
    "wow": "W AA W",
}  # fmt: skip
EMOTION_WORDS = {
    "angry": ("fury", "rage", "furious"), "contempt": ("smug", "petty", "lame"),
    "disgusted": ("rotten", "slime", "foul"), "fear": ("terror", "alarm", "panic"),
    "happy": ("lovely", "smile", "happy"), "neutral": (), "sad": ("sorrow", "alone", "tears"),
    "surprised": ("sudden", "shock", "wow"),
}  # fmt: skip
FUNCTION_WORDS = ("the", "a", "we", "she", "to", "no", "is", "of")
_CONTENT = tuple(
    word for word in WORDS if word not in FUNCTION_WORDS and not any(word in words for words in EMOTION_WORDS.values())
)


def sentence(generator: np.random.Generator, emotion: str, emotional: bool, words: int) -> list[str]:
    """Random words, short and long in turn; with ``emotional`` one of the emotion's own words stands among them."""
    chosen = [str(generator.choice(FUNCTION_WORDS if place % 2 == 0 else _CONTENT)) for place in range(words)]
    if emotional and EMOTION_WORDS[emotion]:
        chosen[int(generator.integers(2)) * 2 + 1] = str(generator.choice(EMOTION_WORDS[emotion]))
    return chosen
