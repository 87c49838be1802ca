"""What every part uses: files, provenance, progress, random streams."""
