"""Blocks that several methods share: transformer, mixtures, flow, StyleGAN2 layers, Haar, perceptual loss, training."""
