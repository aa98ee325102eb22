"""Read a rectification notice, split it into issues, and judge each issue."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rectify_nlp.errors import (
    LabelsError,
    MissingExtra,
    ModelError,
    NoText,
    OutputError,
    ReadError,
    RectifyError,
    UnsupportedFormat,
)
from rectify_nlp.types import (
    Evidence,
    Example,
    Failure,
    Finding,
    Issue,
    Notice,
    Passage,
    Report,
    Stated,
    Totals,
    Verdict,
)
from rectify_nlp.version import __version__

if TYPE_CHECKING:
    from rectify_nlp.arrow import score_arrow, score_schema
    from rectify_nlp.examples import load_examples
    from rectify_nlp.model import Model
    from rectify_nlp.reading import notice_from_text, read
    from rectify_nlp.records import rows
    from rectify_nlp.splitting import split
    from rectify_nlp.taxonomy import Taxonomy

__all__ = [
    "Evidence",
    "Example",
    "Failure",
    "Finding",
    "Issue",
    "LabelsError",
    "MissingExtra",
    "Model",
    "ModelError",
    "NoText",
    "Notice",
    "OutputError",
    "Passage",
    "ReadError",
    "RectifyError",
    "Report",
    "Stated",
    "Taxonomy",
    "Totals",
    "UnsupportedFormat",
    "Verdict",
    "__version__",
    "load_examples",
    "notice_from_text",
    "read",
    "rows",
    "score_arrow",
    "score_schema",
    "split",
]

# Imported when first asked for (PEP 562), for they load numpy or compile many patterns: a
# command then loads what it needs, once it has set up its process.
_LATER = {
    "Model": "model",
    "Taxonomy": "taxonomy",
    "load_examples": "examples",
    "notice_from_text": "reading",
    "read": "reading",
    "rows": "records",
    "score_arrow": "arrow",
    "score_schema": "arrow",
    "split": "splitting",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
