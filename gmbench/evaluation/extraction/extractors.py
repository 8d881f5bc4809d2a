"""Feature extractors by name: gmbench's own and those of other packages, in one table.

A metric names the extractor that it reads. The arrays are the same whichever network gives them:
``fid``, ``fid_eat``, ``fvd``: ``features`` (n, d). ``sync``: ``video``, ``audio`` (M, d). ``emotion``:
``probabilities`` (8,) in the suite's order, ``faces``. ``affect``: ``windows`` (W, 8). ``identity``, ``lip_reader``:
``embeddings`` (T, d). ``pose``: ``pose`` (T, 3). ``speech``: ``speech`` (T,). ``bands``: ``bands`` (T, 20),
``loudness`` of 50 ms.
``appearance``: ``colour`` (T, 3), ``background_change`` and ``change`` (T,). ``mouth_quality``, ``face_quality``,
``aesthetics``: ``scores`` (n,). ``lpips_alex``, ``lpips_vgg`` and
``lpips_band`` see pairs of frames.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gmbench import plugins
from gmbench.errors import InputError
from gmbench.evaluation.extraction import corpus_extractors as corpus
from gmbench.evaluation.extraction import official_extractors as official
from gmbench.evaluation.extraction import plain_extractors as plain
from gmbench.evaluation.extraction import quality_extractors as quality
from gmbench.evaluation.extraction.features import ClipFeature, PairFeature
from gmbench.evaluation.protocol import Protocol
from gmbench.weights import Weights
from gmbench.weights.declarations import declared, refusal

Build = Callable[[Protocol], ClipFeature | PairFeature]
"""From a protocol to the feature that an extractor gives under it."""


@dataclass(frozen=True, kw_only=True)
class ExtractorSpec:
    """The declaration of a feature extractor; an entry point of group ``gmbench.extractors`` names one.

    Attributes:
        name: by which metrics ask for it. Features of other packages must bear the name of their extractor, since it
            is part of the store's key.
        build: the feature of the published network.
        corpus: the feature of the network trained on the synthetic corpus, None where there is none.
        weights: the files that another package brings; those of gmbench's own extractors are in its manifest. The
            feature names those that it reads.
    """

    name: str
    build: Build
    corpus: Build | None = None
    weights: tuple[Weights, ...] = ()


def _built_in() -> tuple[ExtractorSpec, ...]:
    return (
        ExtractorSpec(name="fid", build=official.fid, corpus=corpus.fid),
        ExtractorSpec(name="fid_eat", build=official.fid_eat),
        ExtractorSpec(name="fvd", build=official.fvd, corpus=corpus.fvd),
        ExtractorSpec(name="sync", build=official.sync, corpus=corpus.sync),
        ExtractorSpec(name="emotion", build=official.emotion, corpus=corpus.emotion),
        ExtractorSpec(name="affect", build=official.affect, corpus=corpus.emotion),
        ExtractorSpec(name="identity", build=official.identity, corpus=corpus.identity),
        ExtractorSpec(name="lip_reader", build=official.lip_reader),
        ExtractorSpec(name="pose", build=official.pose),
        ExtractorSpec(name="lpips_alex", build=official.lpips_alex, corpus=corpus.lpips),
        ExtractorSpec(name="lpips_vgg", build=official.lpips_vgg),
        ExtractorSpec(name="lpips_band", build=official.lpips_band, corpus=corpus.lpips_band),
        ExtractorSpec(name="speech", build=plain.speech, corpus=plain.speech),
        ExtractorSpec(name="bands", build=plain.bands, corpus=plain.bands),
        ExtractorSpec(name="appearance", build=plain.appearance, corpus=plain.appearance),
        ExtractorSpec(name="mouth_quality", build=quality.mouth_quality, corpus=quality.mouth_quality),
        ExtractorSpec(name="face_quality", build=quality.face_quality, corpus=quality.face_quality),
        ExtractorSpec(name="aesthetics", build=quality.aesthetics, corpus=quality.aesthetics),
    )


EXTRACTORS = plugins.Registry(plugins.EXTRACTORS, ExtractorSpec, _built_in, lambda spec, known: refusal(spec.weights))


def extractor(name: str, protocol: Protocol) -> ClipFeature | PairFeature:
    """The feature of an extractor under a protocol.

    Raises:
        InputError: unknown name (with the nearest), nothing trained on the corpus stands for it, or the declaration of
            another package failed.
    """
    spec = EXTRACTORS.get(name)
    build = spec.corpus if protocol.extractors == corpus.CORPUS else spec.build
    if build is None:
        raise InputError(f"no network trained on the corpus stands for {name}; use --extractors official")
    return build(protocol) if name in EXTRACTORS.built_in else _build_plugin(spec, build, protocol)


def _build_plugin(spec: ExtractorSpec, build: Build, protocol: Protocol) -> ClipFeature | PairFeature:
    """The feature of another package's extractor, whose failure is its own."""
    try:
        feature = build(protocol)
        if not isinstance(feature, (ClipFeature, PairFeature)):
            raise TypeError(f"expected ClipFeature or PairFeature, got {type(feature).__name__}")
        if feature.name != spec.name:
            raise ValueError(f"its feature is called {feature.name!r}; it must bear the name of the extractor")
        for weights in feature.weights:
            declared(weights)
    except Exception as error:
        package = EXTRACTORS.package(spec.name)
        raise InputError(f"feature extractor {spec.name!r}, of {package}: {plugins.explain(error)}") from error
    return feature
