"""Speed beside peers, in one run on the same work: ``python -m benchmarks.training_step``."""
