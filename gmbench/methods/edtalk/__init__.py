"""EDTalk: mouth, pose and expression in orthogonal spaces of a latent image animator, driven by videos or by sound."""
