"""Applications to look at and to copy from: `python -m demo`, `python -m demo.echo`."""
