"""The version, for the package, its pages and its rows."""

__version__ = "0.1.0"
