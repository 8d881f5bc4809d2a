"""What there is to measure."""

import pandas as pd

from gmbench.api.result import Names
from gmbench.evaluation.scoring import registry


def list_metrics(names: Names = None) -> pd.DataFrame:
    """One row per metric: what it is, what it needs, and how to read it.

    Args:
        names: metrics in any spelling, or groups (``picture``, ``lips``, ``motion``, ``emotion``, ``identity``);
            all by default.

    Returns:
        columns ``name``, ``title``, ``group``, ``direction`` (``reference``: best where the real clip is), ``unit``,
        ``range``, ``needs``, ``default`` (scored where none is named), ``interpretation``, ``caveats``, ``source``,
        ``package``.

    Raises:
        InputError: an unknown name, with the nearest.

    >>> import gmbench
    >>> table = gmbench.list_metrics("picture").set_index("name")
    >>> table.loc["psnr", ["title", "direction", "unit"]].to_list()
    ['PSNR', 'higher', 'dB']
    """
    specs = registry.specs()
    chosen = list(specs) if names is None else registry.resolve(names)
    columns = [
        "name", "title", "group", "direction", "unit", "range", "needs", "default", "interpretation", "caveats",
        "source",
    ]  # fmt: skip
    rows = [[getattr(specs[name], column) for column in columns] + [registry.METRICS.package(name)] for name in chosen]
    table = pd.DataFrame(rows, columns=[*columns, "package"])
    return table.assign(direction=[specs[name].aim for name in chosen])
