"""The command line where MNIST cannot be had: as ``blindspots``, but nothing is asked for.

Without it every process would wait for the mirrors before the bundled digits stand in. Figures of
comparisons are left out.
"""

from experiments.cli import main
from networks.errors import BlindspotsError


def nowhere(*args: object, **kwargs: object) -> None:
    raise BlindspotsError("MNIST is not here.")


if __name__ == "__main__":
    import experiments.data.dataset
    import figures

    figures.draw_all = lambda *given: {}
    experiments.data.dataset.find = nowhere  # type: ignore[assignment]
    main()
