"""What `make bench` is made of; Benchmarks/bench is where to start."""
