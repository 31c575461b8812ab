"""An audit on disk."""


def load_audit() -> None:
    """Later."""


def verdicts() -> None:
    """Later."""
