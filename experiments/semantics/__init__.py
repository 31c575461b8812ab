"""What units, directions and modules mean: the command ``semantics``."""
