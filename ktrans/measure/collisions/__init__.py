"""Pairs of samples that share a substituted token: counted, as a graph, and their geometry."""
