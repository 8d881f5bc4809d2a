"""Which network judges what, under which protocol: the published ones, or those trained on the synthetic corpus.

A role is what a metric asks for. Its arrays are the same whoever plays it:
``fid``, ``fid_eat``, ``fvd``: ``features`` (n, d). ``sync``: ``video``, ``audio`` (M, d). ``emotion``:
``probabilities`` (8,) in the suite's order, ``faces``. ``affect``: ``windows`` (W, 8). ``identity``: ``embeddings``
(T, d). ``pose``: ``pose`` (T, 3). ``lpips_alex``, ``lpips_vgg`` see pairs of frames.
"""

from gmbench.errors import InputError
from gmbench.evaluation.features import ClipFeature, PairFeature
from gmbench.evaluation.official import official
from gmbench.evaluation.protocol import Protocol
from gmbench.evaluation.trained import CORPUS, corpus


def judge(role: str, protocol: Protocol) -> ClipFeature | PairFeature:
    """The feature that plays a role under a protocol.

    Raises:
        InputError: nothing trained on the corpus plays this role.
    """
    found = corpus(role, protocol) if protocol.judges == CORPUS else official(role, protocol)
    if found is None:
        raise InputError(f"no network trained on the corpus stands for {role}; use --judges official")
    return found
