"""What a galaxy's answers become: table, maps, summary, relations."""
