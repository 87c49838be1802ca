"""What a person types: `sfhnet VERB`, a module each; `catalogue` lists them and `reference` writes their page."""
