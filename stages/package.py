"""Package the chosen ensemble as one model to deploy."""

from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.files import read_json
from pipeline.core.stage import Stage, run
from pipeline.ensembling.combiner import Combiner
from pipeline.serving.model_card import FILE, model_card
from pipeline.serving.package import package


def main(stage: Stage[Params]) -> None:
    chosen = read_json(stage.inputs.ensemble / "choice.json")["chosen"]
    combiner = Combiner.load(stage.inputs.system(chosen))
    package(stage.inputs, combiner, stage.params, stage.scratch, stage.outputs.model)
    card = model_card(stage.inputs, combiner.without_idle().members)
    (stage.outputs.model / FILE).write_text(card, encoding="utf-8")
    if stage.params.serving.onnx:
        from pipeline.serving.onnx.export import export  # torch takes seconds to import

        export(stage.inputs, combiner, stage.params, stage.outputs.onnx)
    stage.spool.record({"num_members": len(combiner.members)})


if __name__ == "__main__":
    run("package", parse_params, main)
