"""Attention and working memory behind a sensory network that watches a stream of items."""

from sim.attention.dynamics import AttentionState, Chance, at_rest, attend, goal_of
from sim.attention.evidence import Stream, evidence, watched
from sim.attention.pools import Graded, Pools, Spikes
from sim.attention.seen import Seen, Watching, see

__all__ = [
    "AttentionState",
    "Chance",
    "Graded",
    "Pools",
    "Seen",
    "Spikes",
    "Stream",
    "Watching",
    "at_rest",
    "attend",
    "evidence",
    "goal_of",
    "see",
    "watched",
]
