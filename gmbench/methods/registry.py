"""Which methods there are: built in, of other packages by entry point, and what a run calls them."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from gmbench.errors import InputError
from gmbench.methods.interface import TalkingHeadMethod
from gmbench.names import closest

GROUP = "gmbench.methods"
ALIASES = {"ours": "gmtalker"}
DRIVES = ("pose", "coefficients")
"""``pose``: motion of the reference clip; ``coefficients``: its expressions too, so that only the pictures are made."""
_SEED = re.compile(r"s(\d+)")


def _gmtalker() -> TalkingHeadMethod:
    from gmbench.methods.gmtalker.method import GMTalker

    return GMTalker()


_BUILT_IN: dict[str, Callable[[], TalkingHeadMethod]] = {"gmtalker": _gmtalker}


@functools.cache
def factories() -> dict[str, Callable[[], TalkingHeadMethod]]:
    """Trainable methods by name; an entry point ``name = package:factory`` adds one."""
    found = dict(_BUILT_IN)
    for entry in metadata.entry_points(group=GROUP):
        if entry.name in found:
            raise InputError(f"method {entry.name!r} of {entry.value} is already taken; rename the entry point")
        found[entry.name] = entry.load()
    return found


def create(name: str) -> TalkingHeadMethod:
    """A new method object; raises InputError naming the nearest known one."""
    known = factories()
    name = ALIASES.get(name, name)
    if name not in known:
        raise InputError(f"unknown method {name!r}; {closest(name, known)}")
    return known[name]()


@dataclass(frozen=True)
class System:
    """A method as a run uses it: ``<method>[-<ablation>][-<drive>][-s<seed>]``, for example ``gmtalker-wo_gm-s2``.

    Attributes:
        name: the whole, canonical.
        method: registered name.
        ablations: of the method's card.
        drive: what comes from the reference clip instead of the method: nothing, or one of :data:`DRIVES`.
        seed: added to the run's seed, for training and generation.
    """

    name: str
    method: str
    ablations: tuple[str, ...] = ()
    drive: str = ""
    seed: int = 0

    @property
    def trained(self) -> str:
        """Name of the system without what matters to generation alone: the folder of its checkpoints."""
        parts = [self.method, *self.ablations, *([f"s{self.seed}"] if self.seed else [])]
        return "-".join(parts)

    @classmethod
    def parse(cls, text: str) -> "System":
        """Read a name; raises InputError for unknown parts."""
        first, *parts = text.split("-")
        method = ALIASES.get(first, first)
        card = create(method).card
        ablations, drive, seed = [], "", 0
        for part in parts:
            if found := _SEED.fullmatch(part):
                seed = int(found[1])
            elif part in DRIVES:
                drive = part
            elif part in card.ablations:
                ablations.append(part)
            else:
                raise InputError(f"{text}: {card.title} has no variant {part!r}; {closest(part, card.ablations)}")
        name = "-".join([method, *ablations, *([drive] if drive else []), *([f"s{seed}"] if seed else [])])
        return cls(name, method, tuple(ablations), drive, seed)
