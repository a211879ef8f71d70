"""`python -m modelmill` is `modelmill`."""

from modelmill.pipeline.cli.app import main

if __name__ == "__main__":
    main()
