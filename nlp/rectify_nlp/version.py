"""The version, in a module of its own: asking the installed metadata takes longer than a prediction."""

__version__ = "0.1.0"
