"""The weights of a network as labelled matrices, for drawings and statistics."""

import xarray as xr

from networks import Convolution, OneToOne, Projection
from sim.network import Network
from sim.parameters import weight_name


def labelled_weights(network: Network) -> xr.Dataset:
    """One matrix for each projection by its name, (TARGET.unit, SOURCE.source), as it acts.

    Constraints are applied, so that a connection which does not exist is zero. Of a convolution it
    is (TARGET.channel, SOURCE.source_channel): the sum over the kernel. Attributes of each are
    `source`, `target`, `kind`, `source_modules` and `target_modules`.
    """
    circuit, wiring = network.circuit(), network.wiring
    found = {}
    for each in wiring.projections:
        values = circuit.values[weight_name(each)].detach().cpu()
        if isinstance(each.pattern, OneToOne):
            values = values.flatten().diag()
        elif isinstance(each.pattern, Convolution):
            values = values.sum((2, 3))
        said = {
            "source": each.source,
            "target": each.target,
            "kind": each.kind,
            "source_modules": wiring.area(each.source).modules,
            "target_modules": wiring.area(each.target).modules,
        }
        found[each.name] = (_dims(each), values.numpy(), said)
    return xr.Dataset(found, attrs={"wiring": wiring.name})


def _dims(projection: Projection) -> tuple[str, str]:
    if isinstance(projection.pattern, Convolution):
        return f"{projection.target}.channel", f"{projection.source}.source_channel"
    return f"{projection.target}.unit", f"{projection.source}.source"
