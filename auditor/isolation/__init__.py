"""Plugins in processes of their own: what breaks there breaks nothing here. See docs/decisions."""
