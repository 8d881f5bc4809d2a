"""Small trees of files that are told by their names alone."""


def touch(folder, *names):
    """Files of one byte below a folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def frames(folder, names):
    """Pictures in a folder."""
    return touch(folder, *names)
