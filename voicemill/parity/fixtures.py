"""Reads a folder of golden numbers: `manifest.json`, tensors in safetensors files, weights rebuilt from recipes.

The folder's own README describes the format; nothing here knows which implementation is being checked.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file


class Fixtures:
    """A golden-number folder.

    Args:
        root: Folder that holds `manifest.json`.
    """

    def __init__(self, root: Path):
        self.root = root
        self.manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
        self._cases = {(c["group"], c["id"]): c for c in self.manifest["cases"]}
        self.load = functools.cache(lambda name: load_file(root / name))

    def cases(self) -> list[Case]:
        return [Case(self, raw) for raw in self.manifest["cases"]]

    def value(self, raw_case: dict[str, Any], entry: dict[str, Any]) -> Any:
        """Return the tensor or plain value that an input or output entry stands for."""
        if "value" in entry:
            return entry["value"]
        if "recipe" in entry:
            r = entry["recipe"]
            return recipe_tensor(r["seed"], r["key"], r["shape"], "uniform", r["loc"], r["scale"])
        if "same_as" in entry:
            same = entry["same_as"]
            other = self._cases[(raw_case["group"], same["case"])]
            kind = "output" if "output" in same else "input"
            return self.value(other, other[kind + "s"][same[kind]])
        return self.load(raw_case["file"])[entry["tensor"]]


class Case:
    """One recorded call: its configuration, inputs, and what the reference returned."""

    def __init__(self, fixtures: Fixtures, raw: dict[str, Any]):
        self.fixtures, self.raw = fixtures, raw
        self.group: str = raw["group"]
        self.id: str = raw["id"]
        self.config: dict[str, Any] = raw.get("config", {})
        self.seed: int | None = raw.get("seed")

    @property
    def name(self) -> str:
        return f"{self.group}/{self.id}"

    @functools.cached_property
    def inputs(self) -> dict[str, Any]:
        return {key: self.fixtures.value(self.raw, entry) for key, entry in self.raw["inputs"].items()}

    @property
    def output_names(self) -> list[str]:
        return list(self.raw["outputs"])

    def expected(self, name: str) -> Any:
        return self.fixtures.value(self.raw, self.raw["outputs"][name])

    def other(self, case_id: str) -> Case:
        """Another case of the same group."""
        return Case(self.fixtures, self.fixtures._cases[(self.group, case_id)])

    def weights(self) -> list[dict[str, np.ndarray]]:
        """Return the weights of the case's models, keys as the reference names them, in the manifest's order."""
        return [self._weights_file(name) for name in self.raw.get("weights", [])]

    def _weights_file(self, name: str) -> dict[str, np.ndarray]:
        path = self.fixtures.root / name
        return build_weights(json.loads(path.read_text())) if name.endswith(".json") else load_file(path)

    def path(self, relative: str) -> Path:
        return self.fixtures.root / relative

    def rows(self, relative: str | None = None) -> Any:
        """Return the rows of a JSON file; by default the one that the inputs name as `rows_file`."""
        return json.loads(self.path(relative or self.inputs["rows_file"]).read_text(encoding="utf-8"))

    def check(self, name: str, got: Any, slack: float = 5.0) -> None:
        """Compare with the recorded output.

        Args:
            name: Output of the case.
            got: Array, torch tensor or plain value.
            slack: Factor on the recorded tolerance, which was observed on one CPU; exact outputs ignore it.

        Raises:
            AssertionError: With the case, the output and the worst element.
        """
        entry, want = self.raw["outputs"][name], self.expected(name)
        if hasattr(got, "detach"):
            got = got.detach().cpu().numpy()
        label = f"{self.name}.{name}"
        if entry.get("exact") or not ("atol" in entry or "rtol" in entry):
            if isinstance(want, np.ndarray):
                np.testing.assert_array_equal(np.asarray(got), want, err_msg=label)
            else:
                assert got == want, f"{label}: got {got!r:.400}, expected {want!r:.400}"
            return
        np.testing.assert_allclose(
            np.asarray(got, dtype=np.float64),
            np.asarray(want, dtype=np.float64),
            atol=slack * entry.get("atol", 0.0),
            rtol=slack * entry.get("rtol", 0.0),
            err_msg=label,
        )


def recipe_tensor(seed, key, shape, fill="uniform", loc=0.0, scale=1.0, dtype="float32") -> np.ndarray:
    """Return a seeded tensor, bit for bit the same everywhere: raw PCG64 words to 24-bit fractions (README)."""
    n = int(np.prod(shape)) if len(shape) else 1
    loc, scale = np.float32(loc), np.float32(scale)
    if fill == "const":
        flat = np.full(n, loc, np.float32)
    elif fill == "ramp":
        i = np.arange(n, dtype=np.int64)
        flat = loc + scale * ((((i * 37) % 251) - 125).astype(np.float32) / np.float32(125))
    else:
        digest = hashlib.sha256(f"{seed}|{key}".encode()).digest()
        raw = np.random.PCG64(int.from_bytes(digest[:16], "little")).random_raw(n)
        flat = loc + scale * ((raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1))
    return flat.astype(dtype).reshape(shape)


def build_weights(spec: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the weights from their specification, checked against its digest."""
    tensors = {
        key: recipe_tensor(
            spec["seed"],
            key,
            t["shape"],
            t.get("fill", "uniform"),
            t.get("loc", 0.0),
            t.get("scale", 1.0),
            t.get("dtype", "float32"),
        )
        for key, t in spec["tensors"].items()
    }
    if spec.get("sha256"):
        digest = hashlib.sha256()
        for key in sorted(tensors):
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(tensors[key]).tobytes())
        assert digest.hexdigest() == spec["sha256"], "the weights' recipe gave other numbers than recorded"
    return tensors
