"""`python -m pipeline COMMAND` is `convoy COMMAND`."""

from pipeline.core.interrupt import expect_interrupts

if __name__ == "__main__":
    expect_interrupts()
    from pipeline.cli.app import main

    main()
