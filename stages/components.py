"""Hash the models, losses and policies that each recipe and its search can use."""

from pipeline.config.components import component_code
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.files import write_json
from pipeline.core.stage import Stage, run


def main(stage: Stage[Params]) -> None:
    for name, recipe in stage.params.recipes.items():
        write_json(stage.outputs.components(name), component_code(recipe))


if __name__ == "__main__":
    run("components", parse_params, main)
