"""voicemill-stages: every stage as a template of its own, for other people's workflows.

    templateRef: {name: voicemill-stages, template: slice}

Each template brings all that its pod needs; beside the stage's options it takes `keys`, where its artifacts go.
"""

from hera.workflows import Container, Parameter

from voicemill.contract import Stage
from voicemill.stages import every
from voicemill.workflows.chain import reuse_parameter
from voicemill.workflows.policy import workflow_template

KEYS = Parameter(
    name="keys",
    default="stages/{{workflow.name}}",
    description="Prefix of the S3 keys of its artifacts. A workflow that calls a stage twice gives each call its own.",
)


def callable_template(stage: Stage[...]) -> Container:
    """Add a stage to the workflow whose context this is.

    An input's default cannot name another input: where the state lies by default is said where it is used.
    """
    container = stage.container(keys="{{inputs.parameters.keys}}", reuse_mode="{{inputs.parameters.reuse}}")
    inputs = list(container.inputs or [])  # pyright: ignore
    for state in stage.declaration.of_role("state"):
        (parameter,) = (item for item in inputs if item.name == state.name)
        place = f"'s3:///' + inputs.parameters.keys + '/{stage.name}/{state.name}'"
        chosen = f"{{{{=inputs.parameters.{state.name} == '' ? {place} : inputs.parameters.{state.name}}}}}"
        tag = f"{{{{inputs.parameters.{state.name}}}}}"
        container.args = [chosen if argument == tag else argument for argument in container.args or []]
        parameter.default = ""
        parameter.description = f"{parameter.description} Default: below `keys`."
    container.inputs = [*inputs, KEYS, *([reuse_parameter()] if stage.is_reusable else [])]
    return container


with workflow_template("voicemill-stages") as workflow:
    for one in every():
        callable_template(one)
