"""Tiers: where each member stands, until when, and what it entitles them to.

Owns the ladder of a program, the spend of each member by year, and the levels held.
Listens to orders (paid, refunded, cancelled), customers (signed up, deleted) and merges of members.
Announces `tier.raised`, `tier.kept`, `tier.lowered` and `tier.will_lower`.
"""
