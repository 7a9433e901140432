"""``python -m mxfair``: the command line where ``mxfair`` itself is not on the path."""

from mxfair.cli import main

if __name__ == "__main__":
    main(prog_name="mxfair")
