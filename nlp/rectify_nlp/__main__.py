"""The program: `rectify-nlp`, or `python -m rectify_nlp`.

Its process is set up before the command line is loaded, for that is most of a short run.
"""

from __future__ import annotations

import atexit
import gc
import os


def main() -> None:
    """Run the command of sys.argv; SystemExit with its status (`console` says what they mean)."""
    # Modules and tens of thousands of terms are no garbage: looking for some among them takes
    # a tenth of a run ...
    gc.set_threshold(100_000, 20, 20)
    # ... and as much again at the end, when the process gives everything back anyway.
    atexit.register(gc.freeze)
    # Nothing here multiplies matrices in threads; that they are started costs more than a prediction.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from rectify_nlp.cli import main as run

    run()


if __name__ == "__main__":
    main()
