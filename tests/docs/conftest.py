"""What the tests of the documentation share."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
if str(DOCS) not in sys.path:  # as its scripts do when they are run
    sys.path.insert(0, str(DOCS))
