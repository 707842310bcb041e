"""`python -m sightwire.cli`: the same as the `sightwire` script."""

from sightwire.cli.main import run

if __name__ == "__main__":
    run()
