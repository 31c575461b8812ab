"""The attacks by name, for the command line and the pipeline; imports no PyTorch.

Each function is looked up when first asked for, so that listing the attacks stays quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

from networks.errors import unknown

if TYPE_CHECKING:
    from experiments.attacks.victim import AttackFunction

Norm = Literal["linf", "l2", "l1"]
Kind = Literal["noise", "gradient", "query", "minimum", "ensemble"]


@dataclass(frozen=True)
class Attack:
    """One attack: what it is called, how its budget is measured, and where its code is.

    Attributes:
        name: what the user writes.
        norm: "linf" (largest change of a pixel), "l2" (root-mean-squared change) or "l1" (mean
            absolute change).
        kind: "noise" (ignores the network), "gradient" (spends the budget along the gradient),
            "query" (spends it by the network's answers alone), "minimum" (seeks the smallest
            change that fools, along the gradient) or "ensemble" (several of these in turn).
        description: one line for a list of attacks.
        module: module of this room that holds the function.
        attribute: name of the function there.
        takes_crowds: whether it attacks a `crowd.Crowd`, with `sources.Sources` of chance, as it
            would each individual alone.
    """

    name: str
    norm: Norm
    kind: Kind
    description: str
    module: str
    attribute: str
    takes_crowds: bool = True

    @property
    def function(self) -> "AttackFunction":
        """The attack itself; the first look-up imports PyTorch."""
        found = getattr(import_module(f"experiments.attacks.{self.module}"), self.attribute)
        return cast("AttackFunction", found)


_ENTRIES = (
    Attack(
        *("gaussian", "l2", "noise", "Gaussian noise of exactly the budget"),
        *("noise", "gaussian_noise"),
    ),
    Attack(
        *("uniform", "linf", "noise", "uniform noise on every pixel"),
        *("noise", "uniform_noise"),
    ),
    Attack(
        *("fgsm", "linf", "gradient", "one step along the sign of the gradient (Goodfellow 2015)"),
        *("gradient", "fgsm"),
    ),
    Attack(
        *("pgd-linf", "linf", "gradient", "projected gradient, every pixel (Madry 2018)"),
        *("gradient", "pgd_linf"),
    ),
    Attack(
        *("pgd-l2", "l2", "gradient", "projected gradient, root-mean-squared (Madry 2018)"),
        *("gradient", "pgd_l2"),
    ),
    Attack(
        *("apgd-linf", "linf", "gradient", "steps that adapt, every pixel (Croce and Hein 2020)"),
        *("apgd", "apgd_linf"),
    ),
    Attack(
        *("apgd-l2", "l2", "gradient", "steps that adapt, root-mean-squared (Croce 2020)"),
        *("apgd", "apgd_l2"),
    ),
    Attack(
        *("apgd-l1", "l1", "gradient", "sparse steps that adapt, mean change (Croce 2021)"),
        *("apgd", "apgd_l1"),
    ),
    Attack(
        *("square-linf", "linf", "query", "random squares, no gradient (Andriushchenko 2020)"),
        *("square", "square_linf"),
    ),
    Attack(
        *("spsa-linf", "linf", "query", "ascent along estimated gradients (Uesato 2018)"),
        *("spsa", "spsa_linf"),
    ),
    Attack(
        *("hopskipjump-l2", "l2", "query", "smallest change, by labels alone (Chen 2020)"),
        *("hopskipjump", "hopskipjump_l2"),
        takes_crowds=False,
    ),
    Attack(
        *("hopskipjump-linf", "linf", "query", "smallest change, by labels alone (Chen 2020)"),
        *("hopskipjump", "hopskipjump_linf"),
        takes_crowds=False,
    ),
    Attack(
        *("lbfgs", "l2", "minimum", "smallest change by box-constrained L-BFGS (Szegedy 2014)"),
        *("lbfgs", "lbfgs"),
    ),
    Attack(
        *("fmn-l2", "l2", "minimum", "smallest change by a ball that adapts (Pintor 2021)"),
        *("fmn", "fmn_l2"),
    ),
    Attack(
        *("fmn-linf", "linf", "minimum", "the same, every pixel (Pintor 2021)"),
        *("fmn", "fmn_linf"),
    ),
    Attack(
        *("deepfool-l2", "l2", "minimum", "first boundary on a straight walk (DeepFool 2016)"),
        *("deepfool", "deepfool_l2"),
    ),
    Attack(
        *("deepfool-linf", "linf", "minimum", "the same, every pixel (DeepFool 2016)"),
        *("deepfool", "deepfool_linf"),
    ),
    Attack(
        *("fab-l2", "l2", "minimum", "smallest change along the boundary (Croce & Hein 2020)"),
        *("fab", "fab_l2"),
    ),
    Attack(
        *("fab-linf", "linf", "minimum", "the same, every pixel (Croce & Hein 2020)"),
        *("fab", "fab_linf"),
    ),
    Attack(
        *("worst-linf", "linf", "ensemble", "worst case over an ensemble, every pixel"),
        *("worst", "worst_linf"),
    ),
    Attack(
        *("worst-l2", "l2", "ensemble", "worst case over an ensemble, root-mean-squared"),
        *("worst", "worst_l2"),
    ),
)

ATTACKS: Mapping[str, Attack] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every attack by name, in the order in which they are listed."""


def attack_named(name: str) -> Attack:
    """The attack of that name.

    Raises:
        BlindspotsError: there is none; the message names the nearest.
    """
    if name not in ATTACKS:
        raise unknown("attack", name, ATTACKS)
    return ATTACKS[name]
