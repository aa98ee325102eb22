"""Where the data that comes with the package lies: labels, grammar, the default model."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
# In a wheel the data is inside the package; in a checkout it stands at the top.
_ROOTS = (_PACKAGE / "_resources", _PACKAGE.parent.parent)


def resource(name: str) -> Path:
    """Path of `name` ("labels", "models/default", ...) for wheel and checkout alike."""
    for root in _ROOTS:
        if (root / name).exists():
            return root / name
    return _ROOTS[-1] / name


def labels_named(name: str) -> Path:
    """The labels that come with the package for "builtin", else what lies at `name`."""
    return resource("labels") if name == "builtin" else Path(name)
