"""``python -m gmbench`` is the command ``gmbench``."""

import sys


def main() -> None:
    """Entry point; an interrupt is no traceback, not even while the modules are read."""
    try:
        from gmbench.commands.app import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
