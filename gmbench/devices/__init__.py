"""The only place that decides on devices and precision, and that puts networks on them.

:mod:`.choice` says which device, :mod:`.asking` runs networks there in large batches, :mod:`.serving` lets worker
processes ask networks of one device, :mod:`.slots` keeps the number of trainings on one card small.
"""

from gmbench.devices.asking import Answer, Network, Networks, networks_on
from gmbench.devices.choice import AUTO, CPU, VARIABLE, choose, current, dealt, key, kind_of, using

__all__ = [
    "AUTO", "CPU", "VARIABLE", "Answer", "Network", "Networks", "choose", "current", "dealt", "key", "kind_of",
    "networks_on", "using",
]  # fmt: skip
