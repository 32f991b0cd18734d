"""How attacks travel between models: examples made on one, tried on the others."""
