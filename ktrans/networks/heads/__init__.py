"""Identities in trained weights: which heads compare tokens (a I), and which copy them (b I)."""

from ktrans.networks.heads.identities import HeadIdentities, head_identities

__all__ = ["HeadIdentities", "head_identities"]
