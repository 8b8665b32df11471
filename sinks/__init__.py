"""What leaves: inbox rows, presence, pushes."""
