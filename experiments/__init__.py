"""What we ask of networks: data, training, attacks, comparison, statistics, report."""
