"""The key of a metric in records: its name, and what stood in for the official extractor."""

from dataclasses import dataclass

_SEPARATOR = "_fb:"
_OPTION = "@"


@dataclass(frozen=True, order=True)
class MetricKey:
    """Which numbers belong in one column: a number from another extractor is another metric.

    Attributes:
        name: of the metric, as its declaration and the command line have it.
        fallback: empty for the official extractor, else what stands for it, such as ``corpus`` or ``pnp-mediapipe``.
        option: empty, or what of a protocol makes another number of it, such as ``gamma=0.1``.

    >>> MetricKey.parse("div_fb:pnp-mediapipe")
    MetricKey(name='div', fallback='pnp-mediapipe')
    >>> str(MetricKey("div", "mediapipe")), str(MetricKey("psnr"))
    ('div_fb:mediapipe', 'psnr')
    >>> str(MetricKey("m_lmd_dtw", "mediapipe", "gamma=0.1"))
    'm_lmd_dtw@gamma=0.1_fb:mediapipe'
    """

    name: str
    fallback: str = ""
    option: str = ""

    def __str__(self) -> str:
        """The key as records hold it."""
        named = f"{self.name}{_OPTION}{self.option}" if self.option else self.name
        return f"{named}{_SEPARATOR}{self.fallback}" if self.fallback else named

    @classmethod
    def parse(cls, key: str) -> "MetricKey":
        """The key of a record's text; a text without a fallback is an official metric's name."""
        named, _, fallback = key.partition(_SEPARATOR)
        name, _, option = named.partition(_OPTION)
        return cls(name, fallback, option)

    @property
    def backend(self) -> str:
        """``official``, or ``fallback:<extractor>``."""
        return f"fallback:{self.fallback}" if self.fallback else "official"
