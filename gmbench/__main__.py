"""``python -m gmbench`` is the command ``gmbench``."""

from gmbench.commands.app import main

if __name__ == "__main__":
    main()
