"""The key of a metric in records: its name, and what stood in for the official extractor."""

from dataclasses import dataclass

_SEPARATOR = "_fb:"


@dataclass(frozen=True, order=True)
class MetricKey:
    """Which numbers belong in one column: a number from another extractor is another metric.

    Attributes:
        name: of the metric, as its declaration and the command line have it.
        fallback: empty for the official extractor, else what stands for it, such as ``corpus`` or ``pnp-mediapipe``.

    >>> MetricKey.parse("div_fb:pnp-mediapipe")
    MetricKey(name='div', fallback='pnp-mediapipe')
    >>> str(MetricKey("div", "mediapipe")), str(MetricKey("psnr"))
    ('div_fb:mediapipe', 'psnr')
    """

    name: str
    fallback: str = ""

    def __str__(self) -> str:
        """The key as records hold it."""
        return f"{self.name}{_SEPARATOR}{self.fallback}" if self.fallback else self.name

    @classmethod
    def parse(cls, key: str) -> "MetricKey":
        """The key of a record's text; a text without a fallback is an official metric's name."""
        name, _, fallback = key.partition(_SEPARATOR)
        return cls(name, fallback)

    @property
    def backend(self) -> str:
        """``official``, or ``fallback:<extractor>``."""
        return f"fallback:{self.fallback}" if self.fallback else "official"
