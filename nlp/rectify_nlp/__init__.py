"""Read a rectification notice, split it into issues, and judge each issue."""

from rectify_nlp.arrow import score_arrow, score_schema
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
from rectify_nlp.model import Model
from rectify_nlp.reading import notice_from_text, read
from rectify_nlp.render import rows
from rectify_nlp.splitting import split
from rectify_nlp.taxonomy import Taxonomy, load_examples
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
