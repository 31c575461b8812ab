"""What we ask of networks: data, training, attacks, comparison, statistics, report."""

from typing import Any

__all__ = ["load_network", "load_result"]


def __getattr__(name: str) -> Any:
    # looked up when asked for, so that the command line starts without PyTorch
    if name in __all__:
        from experiments import result

        return getattr(result, name)
    raise AttributeError(f"module 'experiments' has no attribute '{name}'")
