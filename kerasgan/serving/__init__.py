"""What a generative model gives to others over the network."""
