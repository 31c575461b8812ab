"""Other people's libraries at our work: each is one small class, and imported where it is used.

``pip install --no-deps`` keeps those that ask for torchvision, which none of this needs, from
bringing it. What is not installed becomes a row that says so.
"""

from importlib.util import find_spec


def missing(package: str) -> str:
    """Why a peer cannot run here; nothing where it can."""
    return "" if find_spec(package) else "not installed"
