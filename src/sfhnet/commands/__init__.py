"""What a person types: `sfhnet VERB`, a module each."""
