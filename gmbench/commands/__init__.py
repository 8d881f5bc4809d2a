"""The command line: every file parses its commands' options, calls the package and prints."""
