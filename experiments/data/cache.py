"""Where blindspots keeps what it downloads and computes."""

import os
from pathlib import Path

from platformdirs import user_cache_dir


def cache_dir() -> Path:
    """``BLINDSPOTS_CACHE`` if set, else the user's cache directory for blindspots."""
    return Path(os.environ.get("BLINDSPOTS_CACHE") or user_cache_dir("blindspots"))
