"""The frame of every stage: checked parameters, outputs that appear whole or not at all, a record.

    def main(stage: Stage) -> None: ...

    if __name__ == "__main__":
        run("train", main)
"""

from pipeline.stage.frame import Stage, run

__all__ = ["Stage", "run"]
