"""Tests of the proofs themselves: each checker is given what it must accept, and what it must not."""
