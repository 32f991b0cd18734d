"""How robust training makes a network, what it costs, and how that compares with peers."""
