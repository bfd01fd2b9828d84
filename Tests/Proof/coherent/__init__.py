"""Several sidecars over one Redis: what is recorded of them, and what may not be in the record."""
