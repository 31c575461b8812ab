"""``python -m experiments.cli``, where no ``blindspots`` is installed."""

from experiments.cli import main

main()
