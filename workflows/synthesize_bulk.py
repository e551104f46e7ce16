"""synthesize-bulk: a script of very many lines, spoken by one voice or several, and one manifest in the script's order.

voicemill run synthesize-bulk -p script=script.jsonl -p voices=runs/anna/voice -p models=models --out runs/spoken
argo submit --from workflowtemplate/synthesize-bulk -p script=s3:///scripts/script.jsonl -p voices=anna@prod,ben@prod \\
    -p registry=s3:///registry -p models=s3:///models
"""

from hera.workflows import DAG, Artifact, Parameter

from voicemill.stages.collect_speech import collect_speech
from voicemill.stages.plan_script import plan_script
from voicemill.stages.synthesize import synthesize
from voicemill.workflows.chain import Chain, Each, reference
from voicemill.workflows.policy import keys_of, workflow_template

AT_ONCE = 64
"""Shards that are spoken at once; the chart's `gpu.inference.slots` bounds them over all workflows."""

SHARD = Each(
    items="{{tasks.plan-script.outputs.parameters.shards}}",
    names=("shard", "speaker", "voice-at"),
    part="shard",
    keys=keys_of("{{inputs.parameters.speaker}}"),
    files={"shard": "{{item.shard}}.jsonl"},
)
PLACE = f"{keys_of('{speaker}')}/synthesize/speech/{{shard}}"

with workflow_template(
    "synthesize-bulk",
    of="speaker",
    entrypoint="main",
    annotations={
        "voicemill.dev/exports": "manifest=manifest.jsonl",
        "voicemill.dev/linked": "voices/*/synthesize/speech/*",
    },
) as workflow:
    # What one shard cannot do keeps no other from being spoken.
    dag = DAG(name="main", parallelism=AT_ONCE, fail_fast=False)
    chain = Chain(dag)
    chain.task(plan_script, None, "script", "voices", "registry", "shard-lines")
    chain.task(
        synthesize,
        {"shard": "plan-script/plan"},
        *(field.name for field in synthesize.parameters if field.name not in ("voice-at", "text", "other-references")),
        each=SHARD,
    )
    chain.task(
        collect_speech,
        {"plan": "plan-script/plan"},
        after="synthesize",
        below={"ledgers": "ledgers/synthesize"},
        gives={"place": PLACE},
    )
    dag.outputs = [Artifact(name="manifest", from_=reference("collect-speech/manifest"))]
    workflow.arguments = [
        *chain.parameters.values(),
        Parameter(
            name="speaker",
            value="scripts",
            description="The name under which the plan, the ledgers and the manifest are kept; what is spoken is kept,"
            " and found by who revokes a voice, under the voice's own speaker.",
        ),
    ]
