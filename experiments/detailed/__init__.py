"""Do adversarial examples carry over to cells? The command ``detailed``."""
