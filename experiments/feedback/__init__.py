"""Where does robustness lie: in feedback, in time, or in the weights? The command ``controls``."""
