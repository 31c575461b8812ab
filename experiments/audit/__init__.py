"""Can a robust accuracy be trusted? Checks of an attack and of the number that it led to.

Each check is a function from a `Subject` (a model, its images and the claimed attack) to a
`Finding`; a network's findings together are its verdict: trusted, suspicious or void. What each
check looks at, and what to do where it does not pass, is in docs/flags.md. Importing this package
does not import PyTorch.
"""

from experiments.audit.finding import Finding, Outcome, Verdict, verdict
from experiments.audit.saved import load_audit, verdicts

__all__ = ["Finding", "Outcome", "Verdict", "load_audit", "verdict", "verdicts"]
