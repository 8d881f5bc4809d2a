"""The version of the installed package."""


def version() -> str:
    """Version of gmbench; ``unknown`` for sources that nobody installed."""
    from importlib import metadata  # takes longer to import than all else that ``import gmbench`` needs

    try:
        return metadata.version("gmbench")
    except metadata.PackageNotFoundError:
        return "unknown"
