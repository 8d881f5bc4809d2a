"""DICE-Talk (Tan et al., 2025): portrait video by latent diffusion under an emotion prior and an emotion bank."""
