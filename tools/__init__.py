"""The developer's house: what ./dev, the tests, the benchmarks and the demo share."""
