"""Which methods there are: built in, of other packages by entry point, and what a run calls them."""

import importlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.methods.card import DRIVES, MethodCard
from gmbench.methods.interface import REQUIRED, NotSupported, TalkingHeadMethod
from gmbench.methods.settings import read_settings
from gmbench.names import closest

ALIASES = {"ours": "gmtalker"}
_LOADING = threading.RLock()
"""Libraries that read their parts late, as diffusers does, cannot do so in two threads at once."""
_SEED = re.compile(r"s(\d+)")


def _gmtalker() -> TalkingHeadMethod:
    from gmbench.methods.gmtalker.method import GMTalker

    return GMTalker()


def _flowvqtalker() -> TalkingHeadMethod:
    from gmbench.methods.flowvqtalker.method import FlowVQTalker

    return FlowVQTalker()


def _edtalk() -> TalkingHeadMethod:
    from gmbench.methods.edtalk.method import EDTalk

    return EDTalk()


def _dicetalk() -> TalkingHeadMethod:
    from gmbench.methods.dicetalk.method import DiceTalk

    return DiceTalk()


BUILT_IN: dict[str, Callable[[], TalkingHeadMethod]] = {
    "gmtalker": _gmtalker, "flowvqtalker": _flowvqtalker, "edtalk": _edtalk, "dicetalk": _dicetalk,
}  # fmt: skip


def factories() -> dict[str, Callable[[], TalkingHeadMethod]]:
    """Trainable methods by name; an entry point ``name = package:factory`` adds one.

    A package that cannot be imported, or that takes the name of a built-in method, costs only itself; see
    :func:`problems`.
    """
    others = {name: plugin.value for name, plugin in plugins.load(plugins.METHODS).found.items()}
    return {**others, **BUILT_IN}


def problems() -> dict[str, str]:
    """Why methods of other packages are left out, by name of the entry point."""
    loaded = plugins.load(plugins.METHODS)
    taken = {name: plugin for name, plugin in loaded.found.items() if name in BUILT_IN or name in ALIASES}
    return loaded.problems | {
        name: f"{plugin.package}: the name is already taken by gmbench; rename the entry point"
        for name, plugin in taken.items()
    }


def create(name: str) -> TalkingHeadMethod:
    """A new method object.

    Raises:
        InputError: an unknown name (with the nearest), a package that cannot be used, or an object that is no method.
    """
    known = factories()
    name = ALIASES.get(name, name)
    if name not in known:
        reason = problems().get(name)
        raise InputError(f"method {name!r} is left out: {reason}" if reason else f"unknown method {name!r}; "
                         f"{closest(name, known)}")  # fmt: skip
    if name in BUILT_IN:
        return BUILT_IN[name]()
    package = plugins.load(plugins.METHODS).found[name].package
    try:
        method = known[name]()
    except (Exception, SystemExit) as error:
        raise InputError(f"method {name!r} of {package} cannot be made ({plugins.explain(error)})") from error
    if missing := [part for part in REQUIRED if not hasattr(method, part)]:
        raise InputError(f"method {name!r} of {package} has no {missing[0]}; see gmbench.methods.interface")
    if not isinstance(method.card, MethodCard):
        raise InputError(f"method {name!r} of {package}: its card is no MethodCard but {type(method.card).__name__}")
    return method


def read_card(name: str) -> MethodCard:
    """What a method is and can do; a built-in one's is read without its networks, which takes seconds.

    Raises:
        InputError: as :func:`create`.
    """
    name = ALIASES.get(name, name)
    if name not in BUILT_IN:
        return create(name).card
    found: MethodCard = importlib.import_module(f"{__package__}.{name}.card").CARD
    return found


def read_method_settings(name: str, given: Mapping[str, Any]) -> Any:
    """The typed settings of a method; those of a built-in one are read without its networks, which takes seconds.

    Raises:
        InputError: an unknown method, an unknown key or a value that does not fit, each with the nearest; another name
            of a method, under which nobody would look for its settings.
    """
    if name in ALIASES:
        raise InputError(f"settings of {name!r} are never read; they stand under its own name, {ALIASES[name]!r}")
    if name not in BUILT_IN:
        return create(name).settings(given)
    return read_settings(importlib.import_module(f"{__package__}.{name}.settings").Settings, name, given)


def load(name: str, folder: Path) -> TalkingHeadMethod:
    """A method with the checkpoints of a folder.

    Raises:
        InputError: as :func:`create`, or without ``speakers`` and ``emotions`` after loading.
        WeightsError: checkpoints that are missing or are not the method's.
    """
    method = create(name)
    with _LOADING:
        method.load(folder)
    if missing := [part for part in ("speakers", "emotions") if not hasattr(method, part)]:
        raise InputError(f"method {name!r} has no {missing[0]} after load; see gmbench.methods.interface")
    return method


@dataclass(frozen=True)
class System:
    """A method as a run uses it: ``<method>[-<ablation>…][-<drive>…][-s<seed>]``, for example ``gmtalker-wo_gm-s2``.

    Attributes:
        name: the whole, canonical.
        method: registered name, which may have hyphens itself.
        ablations: of the method's card.
        drives: of the method's card: what a clip gives in place of the method.
        seed: added to the run's seed, for training and generation.
    """

    name: str
    method: str
    ablations: tuple[str, ...] = ()
    drives: tuple[str, ...] = ()
    seed: int = 0

    @property
    def drive(self) -> str:
        """Its drives joined by a hyphen; empty without one."""
        return "-".join(self.drives)

    @property
    def trained(self) -> str:
        """Name of the system without what matters to generation alone: the folder of its checkpoints."""
        return _join(self.method, self.ablations, (), self.seed)

    @classmethod
    def of(cls, method: str, ablation: str = "", drive: str = "", seed: int = 0) -> "System":
        """The system of a method, an ablation (empty: the full one), drives joined by a hyphen, and a seed."""
        return cls.parse(_join(method, [ablation] if ablation else [], [drive] if drive else [], seed))

    @classmethod
    def parse(cls, text: str) -> "System":
        """Read a name; of several registered methods that it begins with, the longest is meant.

        Raises:
            InputError: unknown parts.
            NotSupported: a drive, or drives together, that the method does not take.
        """
        method = _method_of(text)
        card = read_card(method)
        ablations, drives, seed = [], [], 0
        for part in _parts_after(text, method):
            if match := _SEED.fullmatch(part):
                seed = int(match[1])
            elif part in card.ablations:
                ablations.append(part)
            elif part in {drive.name for drive in (*card.drives, *DRIVES)}:
                drives.append(part)
            else:
                known = (*card.ablations, *(drive.name for drive in card.drives))
                raise InputError(f"{text}: {card.title} has no variant {part!r}; {closest(part, known)}")
        ordered = _check_drives(text, card, drives)
        method = ALIASES.get(method, method)
        return cls(_join(method, ablations, ordered, seed), method, tuple(ablations), ordered, seed)


def _join(method: str, ablations: Iterable[str], drives: Iterable[str], seed: int) -> str:
    return "-".join([method, *ablations, *drives, *([f"s{seed}"] if seed else [])])


def _method_of(text: str) -> str:
    """The longest registered name or alias that a run's name begins with; its first part where there is none."""
    known = sorted((*factories(), *ALIASES), key=len, reverse=True)
    return next((name for name in known if f"{text}-".startswith(f"{name}-")), text.partition("-")[0])


def _parts_after(text: str, method: str) -> list[str]:
    return text[len(method) + 1 :].split("-") if len(text) > len(method) else []


def _check_drives(text: str, card: MethodCard, drives: list[str]) -> tuple[str, ...]:
    """Drives in the card's order; raises NotSupported for what the card does not list."""
    known = [drive.name for drive in card.drives]
    for name in drives:
        if name not in known:
            listed = f"it has {', '.join(known)}" if known else "it has none"
            raise NotSupported(f"{text}: {card.title} has no drive {name!r}; {listed}")
    ordered = tuple(name for name in known if name in drives)
    if len(ordered) > 1 and "-".join(ordered) not in card.drive_combinations:
        listed = f"together go {', '.join(card.drive_combinations)}" if card.drive_combinations else "none go together"
        raise NotSupported(f"{text}: {card.title} cannot take {' and '.join(ordered)} at once; {listed}")
    return ordered
