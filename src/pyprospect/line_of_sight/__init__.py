"""What lies between a galaxy and us: distances and intergalactic absorption."""
