"""What a trained system must reach, measured on held-out clips: ``make acceptance METHOD=flowvqtalker``."""
