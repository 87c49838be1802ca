"""Star-formation and metallicity histories, and their masses in the age bins of a library."""
