"""Write the chosen ensemble as one model to deploy."""

from pipeline.artifacts import read_json
from pipeline.ensembling._combiner import Combiner
from pipeline.serving.package import package
from pipeline.stage import Stage, run


def main(stage: Stage) -> None:
    chosen = read_json(stage.inputs.ensemble / "choice.json")["chosen"]
    combiner = Combiner.load(stage.inputs.system(chosen))
    package(stage.inputs, combiner, stage.params, stage.scratch, stage.outputs.model)
    stage.spool.record({"num_members": len(combiner.members)})


if __name__ == "__main__":
    run("package", main)
