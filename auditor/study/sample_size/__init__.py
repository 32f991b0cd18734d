"""How much training samples count for robustness, after Schmidt et al., arXiv:1804.11285."""
