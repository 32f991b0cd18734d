"""How examples travel between networks trained for the purpose, after Szegedy et al., arXiv:1312.6199, section 4.2."""
