"""Does what is crafted on one individual fool the others? The command ``transfer``."""
