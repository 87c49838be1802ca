"""Networks trained on mocks: the loop, its device, its checkpoints."""
