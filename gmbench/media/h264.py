"""Lost pictures of an H.264 stream, which FFmpeg replaces by copies without a word.

Each picture bears a number that counts those that others may refer to: where it jumps, one is missing.
Source: ITU-T H.264, 7.3.2.1.1 (sequence parameters), 7.3.3 (slice header), 7.4.3 (frame_num).
"""

from collections.abc import Iterator

_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_HEADER = 48
"""Bytes of a unit that hold all that is read here."""


class LostPictures:
    """Looks at the packets of one stream in order of decoding."""

    def __init__(self, extradata: bytes | None) -> None:
        """``extradata``: parameters that stand before the stream, in either framing."""
        head = extradata or b""
        self._length_size = (head[4] & 3) + 1 if head[:1] == b"\x01" and len(head) > 6 else 0
        self._number_bits = self._last = 0
        self._gaps_allowed = False
        if self._length_size:
            size = int.from_bytes(head[6:8])
            self._read_sequence(head[8 : 8 + size])
        else:
            for unit in _units(head, 0):
                if unit[0] & 31 == 7:
                    self._read_sequence(unit)

    def before(self, packet: bytes) -> bool:
        """Whether a picture that others refer to is missing before this packet's."""
        for unit in _units(packet, self._length_size):
            kind, referred = unit[0] & 31, bool(unit[0] & 96)
            if kind == 7:
                self._read_sequence(unit)
            elif kind in (1, 5) and self._number_bits:
                return self._lost(unit, kind == 5, referred)
        return False

    def _lost(self, unit: bytes, key: bool, referred: bool) -> bool:
        bits = _Bits(unit)
        for _ in range(3):  # first macroblock, type, picture parameters
            bits.golomb()
        number, last = bits.take(self._number_bits), self._last
        if referred:
            self._last = number
        follows = (last, (last + 1) % (1 << self._number_bits))
        return not key and not self._gaps_allowed and number != 0 and number not in follows

    def _read_sequence(self, unit: bytes) -> None:
        bits = _Bits(unit)
        profile = bits.take(8)
        bits.take(16)
        bits.golomb()
        if profile in _HIGH_PROFILES:
            chroma = bits.golomb()
            bits.take(1 if chroma == 3 else 0)
            bits.golomb()
            bits.golomb()
            bits.take(1)
            if chroma == 3 or bits.take(1):  # separate planes or scaling lists: not read, so nothing is said
                self._number_bits = 0
                return
        self._number_bits = bits.golomb() + 4
        order = bits.golomb()
        if order == 0:
            bits.golomb()
        elif order == 1:
            self._number_bits = 0
            return
        bits.golomb()
        self._gaps_allowed = bool(bits.take(1))


class _Bits:
    """Bits of a unit behind its first byte, without the bytes that keep start codes apart."""

    def __init__(self, unit: bytes) -> None:
        data = unit[1:_HEADER].replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, count: int) -> int:
        """The next bits as a number; zeros after the end."""
        self._left -= count
        return (self._value >> self._left if self._left >= 0 else 0) & ((1 << count) - 1)

    def golomb(self) -> int:
        """The next number in the unsigned Exp-Golomb code."""
        zeros = 0
        while self._left > 0 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def _units(data: bytes, length_size: int) -> Iterator[bytes]:
    """Units of a packet, cut to what is read: behind their lengths, or behind start codes if ``length_size`` is 0."""
    place = 0
    while length_size and place + length_size < len(data):
        size = int.from_bytes(data[place : place + length_size])
        place += length_size
        if data[place : place + 1]:
            yield data[place : place + min(size, _HEADER)]
        place += size
    while not length_size and (place := data.find(b"\0\0\1", place)) >= 0:
        place += 3
        if data[place : place + 1]:
            yield data[place : place + _HEADER]
