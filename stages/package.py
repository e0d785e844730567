"""Package one model to deploy: the chosen ensemble, or a student of it."""

from pipeline.config.load import parse_params
from pipeline.config.networks import deployed, system_of
from pipeline.config.params import Params
from pipeline.core.stage import Stage, run
from pipeline.ensembling.combiner import Combiner
from pipeline.serving.model_card import FILE, model_card
from pipeline.serving.package import package


def main(stage: Stage[Params]) -> None:
    name = deployed(stage.inputs, stage.params.serving.model)
    combiner = Combiner.load(system_of(stage.inputs, name, stage.params))
    package(stage.inputs, combiner, stage.params, stage.scratch, stage.outputs.model)
    card = model_card(stage.inputs, name, combiner.without_idle().members)
    (stage.outputs.model / FILE).write_text(card, encoding="utf-8")
    if stage.params.serving.onnx:
        from pipeline.serving.onnx.export import export  # torch takes seconds to import

        export(stage.inputs, combiner, stage.params, stage.outputs.onnx)
    stage.spool.record({"num_members": len(combiner.members)})


if __name__ == "__main__":
    run("package", parse_params, main)
