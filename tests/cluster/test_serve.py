"""The server as the chart deploys it: a pod that speaks for its clients, while its alias moves, until it has to go."""

from __future__ import annotations

import io
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
import requests
import soundfile

from tests.charts.helm import Helm, find
from tests.cluster import images
from tests.cluster.kube import Cluster, Namespace
from tests.cluster.kubectl import forwarded
from tests.cluster.release import Release
from tests.cluster.site import wait_for
from tests.small_voice import STEADY, make_voice, small_models
from voicemill.registry import open_registry, promote, publish, records
from voicemill.storage import Store, open_store
from voicemill.voice.generation_config import Generation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

KEY = "shop-key-of-the-tests"
LINE = "Good morning, the rain has stopped."
LONG = "She put the cake on the table and went away. " * 6
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "voicemill-serve"}}


class Served:
    """A server in a pod.

    Attributes:
        namespace: Where the pod is.
        registry: Of the voice `ada`, two versions of it, the first of which is `prod`.
        origin: The server's address here.
    """

    def __init__(self, namespace: Namespace, registry: Store, origin: str) -> None:
        self.namespace, self.registry, self.origin = namespace, registry, origin

    def ask(self, path: str, **fields: Any) -> requests.Response:
        """Post JSON, with the shop's key."""
        headers = {"authorization": f"Bearer {KEY}"}
        return requests.post(f"{self.origin}{path}", json=fields, headers=headers, timeout=300)

    def say(self, text: str, **fields: object) -> requests.Response:
        return self.ask(
            "/v1/audio/speech", model="tts-1", voice="ada@prod", input=text, response_format="wav", **fields
        )


@pytest.fixture(scope="module")
def served(cluster: Cluster, registry: str, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not os.environ.get("VOICEMILL_IMAGES"):
        pytest.skip("needs an image of the server, gigabytes with torch, in a registry ($VOICEMILL_IMAGES)")
    image, folder = images.build(registry, "serve")["serve"], tmp_path_factory.mktemp("served")
    models = open_store(f"s3://{bucket}/models/small")
    for file in (path for path in small_models().rglob("*") if path.is_file()):
        models.upload(file, file.relative_to(small_models()).as_posix())
    with cluster.namespace("serve") as namespace:
        voices = f"s3://{bucket}/{namespace.name}/registry"
        store = open_registry(voices)
        first = publish(make_voice(folder / "first"), store)
        promote(store, records.find(store, "ada", first.version), "prod", by="test")  # type: ignore[arg-type]
        publish(make_voice(folder / "second", generation=Generation(**{**vars(STEADY), "pause": 0.2})), store)
        keys = f"keys:\n- {{name: shop, key: {KEY}, voices: [ada]}}\n"
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
        namespace.create({**secret, "stringData": {"keys.yaml": keys}})
        Release(Helm(find("helm")), namespace, bucket, folder).apply(
            serve={
                **{
                    "enabled": True,
                    "voices": ["ada@prod"],
                    "registry": voices,
                    "models": f"s3://{bucket}/models/small",
                },
                **{"image": image, "keysSecret": "keys", "gpu": False, "watchSeconds": 1},
                "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}},
            }
        )
        namespace.wait(DEPLOYMENT, lambda found: bool(found["status"].get("availableReplicas")), seconds=900)
        with forwarded(namespace, "voicemill-serve") as origin:
            yield Served(namespace, store, origin)


def seconds(wav: bytes) -> float:
    return soundfile.info(io.BytesIO(wav)).duration


def test_a_pod_speaks_for_clients_of_openai_and_of_gpt_sovits(served: Served) -> None:
    client = openai.OpenAI(base_url=f"{served.origin}/v1", api_key=KEY, max_retries=0, timeout=300)
    assert [model.id for model in client.models.list()] == ["voicemill", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
    said = client.audio.speech.create(model="tts-1", voice="ada@prod", input=LINE, response_format="wav")
    assert seconds(said.content) > 1
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="ada@prod", input=LINE, response_format="pcm"
    ) as answer:
        assert len(b"".join(answer.iter_bytes())) > 24000
    theirs = served.ask("/tts", text=LINE, text_lang="en", ref_audio_path="/data/ref.wav", prompt_text="")
    assert theirs.status_code == 200 and seconds(theirs.content) > 1
    assert requests.get(f"{served.origin}/readyz", timeout=30).status_code == 200
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="another-key-altogether").models.list()


def test_an_alias_that_moves_under_load_loses_no_request(served: Served) -> None:
    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask(number: int) -> None:
        while not stop.is_set():
            answer = served.say("One apple.", seed=number)
            answers.append((answer.status_code, answer.headers.get("x-voicemill-voice", "")))

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for each in clients:
        each.start()
    wait_for(lambda: answers, seconds=120)
    before = answers[0][1].rpartition("@")[2]
    (after,) = (record for record in records.every(served.registry, "ada") if record.version != before)
    promote(served.registry, after, "prod", by="test")
    wait_for(lambda: answers[-1][1] == f"ada@{after.version}", seconds=300)
    stop.set()
    for each in clients:
        each.join()
    assert Counter(status for status, _ in answers) == {200: len(answers)}


def test_a_pod_that_is_deleted_finishes_what_it_has_begun(served: Served) -> None:
    (pod,) = pods(served.namespace)
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(served.say, LONG)
        queue = f"{served.origin}/metrics"
        wait_for(lambda: re.search(r"^voicemill_queue 1", requests.get(queue, timeout=30).text, re.M), seconds=60)
        served.namespace.cluster.core.delete_namespaced_pod(pod, served.namespace.name)
        answer = asked.result()
    assert answer.status_code == 200 and seconds(answer.content) > 5


def pods(namespace: Namespace) -> list[str]:
    label = "app.kubernetes.io/component=serve"
    found: Any = namespace.cluster.core.list_namespaced_pod(namespace.name, label_selector=label)
    return [pod.metadata.name for pod in found.items]
