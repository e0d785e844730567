"""`python -m pipeline COMMAND` is `convoy COMMAND`."""

from pipeline.cli.app import main

if __name__ == "__main__":
    main()
