"""Feature extractors by name: the official networks, or those trained on the synthetic corpus.

A metric names the extractor it reads. The arrays are the same whichever network gives them:
``fid``, ``fid_eat``, ``fvd``: ``features`` (n, d). ``sync``: ``video``, ``audio`` (M, d). ``emotion``:
``probabilities`` (8,) in the suite's order, ``faces``. ``affect``: ``windows`` (W, 8). ``identity``: ``embeddings``
(T, d). ``pose``: ``pose`` (T, 3). ``lpips_alex``, ``lpips_vgg`` see pairs of frames.
"""

from gmbench.errors import InputError
from gmbench.evaluation.extraction.corpus_extractors import CORPUS, corpus_extractor
from gmbench.evaluation.extraction.features import ClipFeature, PairFeature
from gmbench.evaluation.extraction.official_extractors import official_extractor
from gmbench.evaluation.protocol import Protocol


def extractor(name: str, protocol: Protocol) -> ClipFeature | PairFeature:
    """The extractor of a name under a protocol.

    Raises:
        InputError: nothing trained on the corpus stands for it.
    """
    found = corpus_extractor(name, protocol) if protocol.extractors == CORPUS else official_extractor(name, protocol)
    if found is None:
        raise InputError(f"no network trained on the corpus stands for {name}; use --extractors official")
    return found
