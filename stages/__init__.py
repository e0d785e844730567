"""The stages, one in each file: each reads its inputs, calls the library, and writes."""

from pipeline.core.interrupt import expect_interrupts

expect_interrupts()
