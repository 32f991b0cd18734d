"""Plan, cascade, referee: everything between settings and result."""
