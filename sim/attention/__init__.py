"""Attention and working memory behind a sensory network that watches a stream of items."""

from sim.attention.crowd import Crowd
from sim.attention.dynamics import AttentionState, Chance, at_rest, attend, goal_of
from sim.attention.evidence import Kept, Stream, evidence, watched
from sim.attention.pools import Graded, Pools, Spikes, pools_of
from sim.attention.seen import Seen, Watching, remember, see

__all__ = [
    "AttentionState",
    "Chance",
    "Crowd",
    "Graded",
    "Kept",
    "Pools",
    "Seen",
    "Spikes",
    "Stream",
    "Watching",
    "at_rest",
    "attend",
    "evidence",
    "goal_of",
    "pools_of",
    "remember",
    "see",
    "watched",
]
