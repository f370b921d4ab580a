"""Parity with reference implementations: same weights, image and sampling order, compared stage by stage."""
