"""The parameters of the attention and working memory that watch a stream of items.

All that a user can set stands here. A field's name ends in its unit (ms, per_s); fields without one
are dimensionless. Of two readings of one parameter set, rate and spiking, both are in
`sim.attention`.
"""

from typing import Annotated, Literal

from pydantic import Field

from networks.described import Described

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Attention(Described):
    """Type nodes, task filter, transient gate and token working memory behind a sensory network.

    The structure is that of Bowman & Wyble (2007, Psychol. Rev. 114:38) and Wyble, Bowman &
    Nieuwenstein (2009, J. Exp. Psychol. HPP 35:787): types in parallel, a transient enhancement
    that a target triggers, tokens that are consolidated one after the other, and consolidation that
    withholds the enhancement. Values were fitted, by ``blink fit`` on validation images, to T2|T1
    of the Berkeley sample of Goodbourn et al. (2016) at an SOA of 100 ms, to T3|T1 of triplets with
    and without a distractor in the middle, and to a gate that is shut among distractors; all other
    conditions are predictions.

    Type nodes, by class k of what the sensory network reports (:mod:`sim.attention.evidence`):

    - ``rise_ms``: how fast a type node follows its evidence.
    - ``mask_ms``: how fast it is wiped out by evidence for another item (backward masking).
    - ``icon_ms``: how slowly it fades on an empty screen (iconic persistence).
    - ``encoding_spread``: standard deviation between trials of the log of its gain.

    Filter and gate:

    - ``leak``: what passes the task filter of a class that is no target; 1 for targets.
    - ``gate``: "transient", which ongoing consolidation inhibits; "fatigue", which its own activity
      does instead, by adaptation (neural fatigue: Chartier, Cousineau & Charbonneau 2004);
      "coincidence", which spikes of the items open that meet spikes of the goal (Neokleous,
      Avraamides, Neocleous & Schizas 2009, whose structure it is; the equations are ours);
      "open", which nothing inhibits or excites: it stands at 1.
    - ``gate_ms``, ``gate_delay_ms``, ``gate_input``, ``gate_bias``, ``gate_self``: its time
      constant, the delay of its input, its weights.
    - ``gate_gain``: what enters memory is multiplied by 1 + gate_gain times the gate.
    - ``contrast_gain``: what the sensory network sees, likewise (Reynolds & Heeger 2009); the
      feedback to the first sensory area.
    - ``refractoriness``, ``refractory_ms``: weight and time constant of the inhibition of the gate
      by ongoing consolidation (of its fatigue, or of the goal, where those are its kind).

    Working memory, by class:

    - ``memory_ms``: time constant of its input stage; ``rivalry``: inhibition among classes there.
    - ``noise``: standard deviation per square root of a second of what is added to it.
    - ``threshold``: an item whose input exceeds it ignites, and is consolidated.
    - ``consolidation_per_s``: rate of consolidation; ``consolidation_spread``: standard deviation
      of its log over items; ``sharing``: how much another item under way slows it down.
    - ``order_ms``: standard deviation of the stamp of time by which tokens are ordered.

    In the spiking reading ``pool`` cells stand for each variable and fire at up to ``rate_hz``;
    they are few, which takes the place of ``noise``.
    """

    rise_ms: Positive = 30.0
    mask_ms: Positive = 54.9
    icon_ms: Positive = 150.0
    encoding_spread: NotNegative = 0.166
    leak: NotNegative = 0.0536
    gate: Literal["transient", "fatigue", "coincidence", "open"] = "transient"
    gate_ms: Positive = 17.4
    gate_delay_ms: NotNegative = 30.0
    gate_input: NotNegative = 7.94
    gate_bias: float = -3.92
    gate_self: NotNegative = 2.23
    coincidence_ms: Positive = 5.0
    gate_gain: NotNegative = 4.14
    contrast_gain: NotNegative = 0.0
    refractoriness: NotNegative = 8.25
    refractory_ms: Positive = 138.0
    memory_ms: Positive = 38.4
    rivalry: NotNegative = 0.808
    noise: NotNegative = 0.706
    threshold: Positive = 1.31
    consolidation_per_s: Positive = 3.92
    consolidation_spread: NotNegative = 0.055
    sharing: NotNegative = 0.238
    order_ms: NotNegative = 74.0
    pool: Annotated[int, Field(ge=1)] = 60
    rate_hz: Positive = 100.0
