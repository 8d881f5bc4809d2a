"""Tools for people who change gmbench: they keep generated files in step with the code. Not part of the package."""
