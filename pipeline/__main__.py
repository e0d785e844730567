"""`python -m pipeline COMMAND` is `convoy COMMAND`."""

from pipeline.core.interrupt import end_at_once, raise_again

if __name__ == "__main__":
    end_at_once()
    from pipeline.cli.app import main

    raise_again()
    main()
