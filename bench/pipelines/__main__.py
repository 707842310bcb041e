"""`python -m bench.pipelines [--quick] [--markdown FILE]`."""

from bench.command import main
from bench.pipelines.rates import BENCHMARK

if __name__ == "__main__":
    main(BENCHMARK)
