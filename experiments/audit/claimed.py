"""What a comparison claims that its networks withstand, with all that is on record of it."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from experiments.attacks.names import ATTACKS, attack_named
from experiments.audit.allowance import Allowance
from experiments.audit.record import Beside, Record
from experiments.audit.unit import Audit, Place
from experiments.bench import Bench
from experiments.finished import identity_of, images_of
from experiments.result import individual_directory, set_name, weights_hashes
from experiments.store import damaged
from networks.errors import BlindspotsError, unknown, unknown_number

USUAL = 100  # images
ALLOWANCE = Allowance()
CONTROL = "-control-params"


@dataclass(frozen=True)
class Claimed:
    """The accuracies of one individual of each network under one white-box attack.

    Attributes:
        compared: the comparison's result.
        run: its directory.
        individual: which individual.
        attack: by name.
        epsilon: its budget.
        images: the first so many.
    """

    compared: xr.Dataset
    run: Path
    individual: int
    attack: str
    epsilon: float
    images: int

    @classmethod
    def by(
        cls,
        compared: xr.Dataset,
        run: Path,
        individual: int,
        attack: str | None,
        epsilon: float | None,
        images: int | None,
    ) -> "Claimed":
        """With the run's references where nothing is named; BlindspotsError where it has none."""
        attack = attack or str(compared.attrs["reference_attack"])
        epsilon = float(compared.attrs["reference_epsilon"]) if epsilon is None else epsilon
        attacks = [str(each) for each in compared["attack"].to_numpy()]
        if attack not in attacks:
            raise unknown("attack", attack, attacks, f"in '{run}'")
        if epsilon not in (there := compared["epsilon"].to_numpy()):
            raise unknown_number("epsilon", epsilon, there, f"in '{run}'")
        if attack_named(attack).kind == "noise":
            raise BlindspotsError(
                f"'{attack}' is noise, which claims no robustness to an adversary; choose an "
                "attack with --attack."
            )
        if f"pgd-{(norm := attack_named(attack).norm)}" not in ATTACKS:
            raise BlindspotsError(
                f"'{attack}' is an attack within {norm}, for which the audit has no strongest "
                "attack; choose one within linf or l2."
            )
        if individual >= compared.sizes["individual"]:
            raise BlindspotsError(
                f"'{run}' has {compared.sizes['individual']} individuals, counted from 0; there is "
                f"no individual {individual}."
            )
        return cls(
            compared, run, individual, attack, epsilon, images_of(compared, run, images, USUAL)
        )

    def outcomes(self, name: str) -> xr.DataArray:
        """1 right, 0 wrong, -1 unknown: (source, attack, image) at the claimed epsilon."""
        correct = self.compared["correct"].sel(network=name, epsilon=self.epsilon)
        return correct.isel(individual=self.individual, image=slice(self.images))

    def attacked(self) -> list[str]:
        """The networks that the attack was made on; BlindspotsError where there are none."""
        names = [str(n) for n in self.compared["network"].to_numpy() if self.is_attacked(str(n))]
        if not names:
            raise BlindspotsError(
                f"No network in '{self.run}' was attacked with {self.attack} on itself, so there "
                "is no claim to audit."
            )
        return names

    def is_attacked(self, name: str) -> bool:
        """Whether the attack was made on this very individual, and scored."""
        outcomes = self.outcomes(name)
        there = name in outcomes["source"].to_numpy()
        return there and bool((outcomes.sel(source=name, attack=self.attack) >= 0).all())

    def unit(self, name: str, bench: Bench) -> Audit:
        """The audit of one network."""
        if not self.is_attacked(name):
            raise BlindspotsError(
                f"Individual {self.individual} of '{name}' was not attacked with {self.attack} on "
                f"itself in '{self.run}', so there is no claim to audit."
            )
        options = tomllib.loads(str(self.compared.attrs["spec"])).get("options", {})
        inputs = self.run / "inputs" / set_name(name, self.individual, self.attack)
        provenance = read_provenance(self.run)
        set_hash = provenance.get("inputs_sha256", {}).get(inputs.name, "")
        own = self.outcomes(name).sel(source=name, attack=self.attack).to_numpy() == 1
        return Audit(
            place=self.place(name, bench),
            attack=self.attack,
            epsilon=self.epsilon,
            options=tuple(sorted(options.get(self.attack, {}).items())),
            images=self.images,
            inputs=inputs if inputs.exists() else None,
            inputs_sha256=set_hash,
            recorded=tuple(bool(each) for each in own),
            transferred=self.transferred(name),
            others=tuple(self.place(each, bench) for each in self.others(name)),
            record=self.record(name, provenance),
            allowance=ALLOWANCE,
            bench=bench,
        )

    def place(self, name: str, bench: Bench) -> Place:
        """Where an individual lies."""
        directory = individual_directory(self.run, name, self.individual)
        if directory.is_dir():
            return Place(name, directory, identity_of(directory))
        from experiments.bring import fingerprint

        return Place(name, None, fingerprint(name, bench))

    def transferred(self, name: str) -> dict[str, tuple[bool, ...]]:
        """Which images withstood every other set of the run within the same norm and budget."""
        outcomes, norm = self.outcomes(name), attack_named(self.attack).norm
        found = {}
        for source in (str(s) for s in outcomes["source"].to_numpy()):
            for attack in (str(a) for a in outcomes["attack"].to_numpy()):
                answers = outcomes.sel(source=source, attack=attack).to_numpy()
                mine = (source, attack) == (name, self.attack)
                if not mine and attack_named(attack).norm == norm and (answers >= 0).all():
                    found[f"{source} {attack}"] = tuple(bool(each) for each in answers == 1)
        return found

    def others(self, name: str) -> list[str]:
        """The matched control, else an independent network, that inputs are made on anew."""
        control, first = f"{name}{CONTROL}", str(self.compared["source"].to_numpy()[0])
        there = control if control in self.compared["network"].to_numpy() else first
        return [there] if individual_directory(self.run, there, self.individual).is_dir() else []

    def record(self, name: str, provenance: dict[str, Any]) -> Record:
        """What is known of the run and this network."""
        names, control = self.compared["network"].to_numpy(), f"{name}{CONTROL}"
        clean = self.compared["clean_correct"].sel(network=name)
        directory = individual_directory(self.run, name, self.individual)
        hashes = {}
        label = f"{name}/individual-{self.individual}"
        if directory.is_dir() and label in provenance.get("weights_sha256", {}):
            now = weights_hashes({label: directory})[label]
            hashes["weights"] = now == provenance["weights_sha256"][label]
        return Record(
            individuals=int((clean >= 0).any("image").sum()),
            network=self.beside(name),
            control=self.beside(control) if control in names else None,
            corruptions="corruption_correct" in self.compared,
            hashes=hashes,
            versions=bool(provenance.get("versions")),
        )

    def beside(self, name: str) -> Beside:
        """What a network is compared by."""
        here = self.compared.sel(network=name)
        clean = here["clean_correct"].to_numpy()
        return Beside(name, int(here["parameters"]), float(np.mean(clean[clean >= 0])))


def read_provenance(run: Path) -> dict[str, Any]:
    """What the run recorded of hashes and versions; empty where it did not."""
    path = run / "provenance.json"
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None
