"""`python -m pipeline` is `modelmill`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
