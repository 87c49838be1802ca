"""Libraries of simple stellar populations: reading, joining, initial mass functions."""
