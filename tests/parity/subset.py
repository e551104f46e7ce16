"""Copy a small part of a golden-number folder into tests/parity/golden, for machines that have nothing else.

python -m tests.parity.subset FOLDER

The numbers of v3 and v4 are a folder of their own in FOLDER, `v34`, and become one in tests/parity/golden.
"""

import json
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"

CHOSEN = (
    "A_s2/v2_extract_latent_odd",
    "A_s2/v2_decode_s10_1ref",
    "A_s2/v2_decode_s08_2ref_noise",
    "A_s2/v2Pro_decode_s10_2ref",
    "A_s2/v2_train_forward_frozen",
    "A_s2/v2_train_3steps",
    "A_s2/D_v2",
    "B_s1/forward_old",
    "B_s1/dpo_loss",
    "B_s1/infer_*_[02]",
    "B_s1/filter_*",
    "B_s1/draw",
    "B_s1/scaled_adam_*",
    "B_s1/lr_schedule",
    "B_s1/train_13batches",
    "C_ckpt/savee_v2",
    "C_ckpt/header_bytes",
    "D_text/*",
    "E_audio/spectrogram_odd",
    "E_audio/s[12]_bucket_sampler",
    "E_audio/prep_1_text",
    "F_glue/v2_two_refs_cut0",
    "F_glue/postprocess",
    "F_glue/sola",
    "G_v34/g_v34_v3_decode_encp_s13_ge",
    "G_v34/g_v34_v3_dit_masked",
    "G_v34/g_v34_v[34]_cfm_4steps_cfg07_t10",
    "G_v34/g_v34_v[34]_vocoder",
    "G_v34_ckpt/g_v34_ckpt_lora_v4",
    "G_v34_train/g_v34_v4_lora_2steps",
)
LATER = "v34"


def files_named(value: Any, root: Path) -> set[str]:
    """Every string in a JSON value that is a file of the folder."""
    if isinstance(value, str):
        return {value} if "/" in value and len(value) < 200 and (root / value).is_file() else set()
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*(files_named(v, root) for v in value)) if isinstance(value, list) else set()


def needs(case: dict[str, Any], root: Path, by_name: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The case, and the cases of its group whose tensors it uses."""
    same = [e["same_as"]["case"] for e in [*case["inputs"].values(), *case["outputs"].values()] if "same_as" in e]
    same += [e["value"] for key, e in case["inputs"].items() if key == "batch_case"]
    return [case, *(c for name in same for c in needs(by_name[f"{case['group']}/{name}"], root, by_name))]


def main() -> None:
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for part in ("", LATER):
        copy(Path(sys.argv[1]) / part, GOLDEN / part)


def copy(root: Path, target: Path) -> None:
    """Copy the chosen cases of a folder and the files that they name."""
    manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
    by_name = {f"{c['group']}/{c['id']}": c for c in manifest["cases"]}
    wanted = [name for name in by_name if any(fnmatchcase(name, pattern) for pattern in CHOSEN)]
    kept = {f"{c['group']}/{c['id']}" for name in wanted for c in needs(by_name[name], root, by_name)}
    cases = [case for name, case in by_name.items() if name in kept]
    files = files_named(cases, root)
    for name in sorted(files):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)
    small = {"environment": manifest["environment"], "cases": cases}
    (target / "manifest.json").write_text(json.dumps(small, ensure_ascii=False, indent=0), encoding="utf-8")
    total = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{len(cases)} cases, {len(files)} files, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
