"""How a network is led astray, or recovers: dynamics on clean, adversarial and noisy images."""
