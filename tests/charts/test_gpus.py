"""Where stages that need a GPU go."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.charts.helm import Helm, Json, one, stages
from voicemill.contract.template import GPU_MEMORY_FLOORS, GPU_MEMORY_LABEL, GPU_RESOURCE
from voicemill.engine.templating import fill

TRAINING = {"separate", "dereverb", "denoise", "train-sovits", "train-gpt"}
INFERENCE = {"transcribe", "format", "evaluate", "synthesize"}


def floor(stage: Json) -> tuple[str, str]:
    """Label and value that a stage's node must exceed."""
    required = stage["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    ((expression,),) = [term["matchExpressions"] for term in required["nodeSelectorTerms"]]
    assert expression["operator"] == "Gt"
    return expression["key"], expression["values"][0]


def generated(name: str) -> Json:
    """A template of clone-voice as Hera made it."""
    text = Path("charts/voicemill/workflows/clone_voice.yaml").read_text(encoding="utf-8")
    return next(each for each in yaml.safe_load(text)["spec"]["templates"] if each["name"] == name)


def test_training_and_inference_have_the_floors_of_the_contract(helm: Helm) -> None:
    rendered = stages(helm.render())
    for name in TRAINING - {"train-sovits"}:
        assert floor(rendered[name]) == (GPU_MEMORY_LABEL, str(GPU_MEMORY_FLOORS["6Gi"]))
    for name in INFERENCE:
        assert floor(rendered[name]) == (GPU_MEMORY_LABEL, str(GPU_MEMORY_FLOORS["4Gi"]))
    for name in TRAINING | INFERENCE:
        assert rendered[name]["container"]["resources"]["limits"][GPU_RESOURCE] == "1"
    others = rendered.keys() - TRAINING - INFERENCE
    assert {"ingest", "slice", "publish"} <= others
    for name in others:
        assert not {"affinity", "tolerations"} & rendered[name].keys()


def test_loras_are_trained_on_cards_of_a_class_of_their_own(helm: Helm) -> None:
    def floors(*sets: str, values: str = "minimal") -> dict[str, str]:
        template = stages(helm.render(*sets, values=values))["train-sovits"]
        return {
            version: floor(fill(template, {"inputs.parameters.version": version}, final=False))[1]
            for version in ("auto", "v2ProPlus", "v3", "v4")
        }

    assert floors() == {"auto": "5600", "v2ProPlus": "5600", "v3": "7500", "v4": "7500"}
    changed = floors("gpu.training.minMemoryMiB=6100", "gpu.lora.minMemoryMiB=11000")
    assert changed == {"auto": "6100", "v2ProPlus": "6100", "v3": "11000", "v4": "11000"}
    assert set(floors("stages.train-sovits.minMemoryMiB=23000").values()) == {"23000"}, "what is said of a stage holds"
    (written,) = {floor(stages(helm.render())["train-sovits"])[1], floor(generated("train-sovits"))[1]}
    assert written.startswith("{{=inputs.parameters['version'] in "), "the chart says it as the workflows do"


def test_a_lora_claims_a_larger_gpu(helm: Helm) -> None:
    objects = helm.render("gpu.select=claim")
    (claim,) = json.loads(stages(objects)["train-sovits"]["podSpecPatch"])["resourceClaims"]
    for version, mebibytes in (("v2", 5600), ("v4", 7500)):
        name = fill(claim["resourceClaimTemplateName"], {"inputs.parameters.version": version}, final=True)
        template = one(objects, "ResourceClaimTemplate", name)
        assert f"quantity('{mebibytes}Mi')" in json.dumps(template)


def test_floors_label_and_resource_are_values(helm: Helm) -> None:
    rendered = stages(
        helm.render(
            "gpu.training.minMemoryMiB=15000",
            "stages.train-gpt.minMemoryMiB=23000",
            "gpu.memoryLabel=acme.com/vram",
            "gpu.resource=nvidia.com/mig-2g.20gb",
        )
    )
    assert floor(rendered["separate"]) == ("acme.com/vram", "15000")
    assert floor(rendered["train-gpt"]) == ("acme.com/vram", "23000")
    assert floor(rendered["format"]) == ("acme.com/vram", "3700")
    limits = rendered["train-gpt"]["container"]["resources"]["limits"]
    assert limits["nvidia.com/mig-2g.20gb"] == "1" and GPU_RESOURCE not in limits


def test_nodes_without_labels_are_told_by_the_resource_alone(helm: Helm) -> None:
    for name, stage in stages(helm.render(values="no-gpu-labels")).items():
        assert "affinity" not in stage and "tolerations" not in stage
        assert (GPU_RESOURCE in stage["container"]["resources"]["limits"]) == (name in TRAINING | INFERENCE)


def test_runtime_class_priority_queue_and_taints_are_for_gpu_pods(helm: Helm) -> None:
    rendered = stages(helm.render(values="production"))
    training = rendered["train-gpt"]
    assert json.loads(training["podSpecPatch"])["runtimeClassName"] == "nvidia"
    assert training["priorityClassName"] == "batch-gpu"
    assert training["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "voices"
    assert training["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert rendered["train-sovits"]["nodeSelector"] == {
        "kubernetes.io/arch": "amd64",
        "nvidia.com/gpu.product": "NVIDIA-L4",
    }
    on_cpu = rendered["slice"]
    assert "runtimeClassName" not in json.loads(on_cpu["podSpecPatch"])
    assert "kueue.x-k8s.io/queue-name" not in on_cpu["metadata"]["labels"]
    assert on_cpu["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    ranked = stages(helm.render("gpu.queue.priorityClass=night", values="production"))
    assert ranked["train-gpt"]["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "night"
    assert "kueue.x-k8s.io/priority-class" not in ranked["slice"]["metadata"]["labels"]
    alone = stages(helm.render("gpu.queue.priorityClass=night"))["train-gpt"]["metadata"]["labels"]
    assert not [label for label in alone if label.startswith("kueue")], "without a queue it means nothing"


def test_a_stage_or_all_of_them_can_do_without_a_gpu(helm: Helm) -> None:
    rendered = stages(helm.render(values="production"))
    assert GPU_RESOURCE not in rendered["transcribe"]["container"]["resources"]["limits"]
    assert "affinity" not in rendered["transcribe"] and "synchronization" not in rendered["transcribe"]
    for stage in stages(helm.render("gpu.enabled=false", "gpu.runtimeClassName=nvidia")).values():
        assert not {"affinity", "tolerations"} & stage.keys()
        assert GPU_RESOURCE not in json.dumps(stage)
        assert "runtimeClassName" not in stage["podSpecPatch"]


def test_a_stage_knows_whether_it_was_given_a_gpu(helm: Helm) -> None:
    rendered = stages(helm.render(values="production"))
    given = {name for name, stage in rendered.items() if "VOICEMILL_GPU" in str(stage["container"]["env"])}
    assert given == (TRAINING | INFERENCE) - {"transcribe"}
    for value in ("gpu.enabled=false", "gpu.fallBackToCpu=true"):
        for stage in stages(helm.render(value)).values():
            assert "VOICEMILL_GPU" not in str(stage["container"]["env"])


def test_a_gpu_that_failed_is_not_tried_again_where_the_values_say_so(helm: Helm) -> None:
    for name, stage in stages(helm.render("gpu.retryOnAnotherNode=true")).items():
        expected = {"nodeAntiAffinity": {}} if name in TRAINING | INFERENCE else None
        assert stage["retryStrategy"].get("affinity") == expected
        assert stage["retryStrategy"]["limit"] == "10"
    assert all("affinity" not in stage["retryStrategy"] for stage in stages(helm.render()).values())


def test_slots_of_a_class_are_semaphores_that_its_stages_hold(helm: Helm) -> None:
    objects = helm.render(values="production")
    assert one(objects, "ConfigMap", "voicemill-slots")["data"] == {"gpu-training": "8", "gpu-inference": "16"}
    rendered = stages(objects)
    held = {"configMapKeyRef": {"name": "voicemill-slots", "key": "gpu-training"}}
    assert rendered["train-gpt"]["synchronization"] == {"semaphores": [held]}
    assert rendered["format"]["synchronization"]["semaphores"][0]["configMapKeyRef"]["key"] == "gpu-inference"
    assert "synchronization" not in rendered["slice"]
    assert not [each for each in helm.render() if each["metadata"]["name"] == "voicemill-slots"]


def test_a_gpu_can_be_claimed_by_its_memory(helm: Helm) -> None:
    objects = helm.render("gpu.select=claim", "stages.train-gpt.minMemoryMiB=23000")
    rendered = stages(objects)
    for name, mebibytes in (("format", 3700), ("separate", 5600), ("train-gpt", 23000)):
        stage = rendered[name]
        assert "affinity" not in stage
        assert stage["container"]["resources"]["claims"] == [{"name": "gpu"}]
        assert GPU_RESOURCE not in json.dumps(stage["container"])
        (claim,) = json.loads(stage["podSpecPatch"])["resourceClaims"]
        assert claim["name"] == "gpu"
        template = one(objects, "ResourceClaimTemplate", claim["resourceClaimTemplateName"])
        exactly = template["spec"]["spec"]["devices"]["requests"][0]["exactly"]
        assert exactly["deviceClassName"] == "gpu.nvidia.com"
        assert exactly["selectors"][0]["cel"]["expression"] == (
            f"device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('{mebibytes}Mi')) >= 0"
        )


def test_claims_are_in_argos_own_field_where_the_values_say_so(helm: Helm) -> None:
    for name, stage in stages(helm.render("gpu.select=claim", "gpu.claim.typed=true")).items():
        claims = stage.get("resourceClaims", [])
        assert [claim["name"] for claim in claims] == (["gpu"] if name in TRAINING | INFERENCE else [])
        assert "resourceClaims" not in json.loads(stage["podSpecPatch"])


def test_training_and_inference_may_have_shares_of_a_card_of_their_own(helm: Helm) -> None:
    training, inference = "nvidia.com/mig-2g.20gb", "nvidia.com/mig-1g.10gb"
    values = (f"gpu.training.resource={training}", f"gpu.inference.resource={inference}", "gpu.select=none")
    for name, stage in stages(helm.render(*values)).items():
        limits = stage["container"]["resources"]["limits"]
        expected = training if name in TRAINING else inference if name in INFERENCE else None
        assert {key for key in limits if "/" in key} == ({expected} if expected else set())


def test_another_claim_has_another_name_for_it_cannot_be_changed(helm: Helm) -> None:
    def names(*sets: str) -> set[str]:
        objects = helm.render("gpu.select=claim", *sets)
        return {each["metadata"]["name"] for each in objects if each["kind"] == "ResourceClaimTemplate"}

    assert len(names()) == 3
    assert len(names() & names("gpu.training.minMemoryMiB=15000")) == 2
    assert not names() & names("gpu.claim.domain=gpu.example.com")
