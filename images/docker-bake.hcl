# docker buildx bake -f images/docker-bake.hcl [STAGE...]     every variable can be set in the environment
# `make images` is this with whichever builder is there; see images/README.md.

variable "REGISTRY" { default = "" }
variable "TAG" { default = "latest" }
variable "BASE" { default = "python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b" }
variable "SOURCE" { default = "" }
variable "REVISION" { default = "" }
variable "PIP_INDEX_URL" { default = "" }
variable "PIP_EXTRA_INDEX_URL" { default = "" }
variable "PIP_TRUSTED_HOST" { default = "" }
variable "PIP_CERT" { default = "" }
variable "TORCH_INDEX_URL" { default = "" }

group "default" {
  targets = ["image"]
}

target "image" {
  name = stage
  matrix = {
    stage = [
      "ingest", "separate", "assess-quality", "dereverb", "denoise", "normalize", "slice", "identify-speakers", "transcribe", "apply-review", "format",
      "train-sovits", "train-gpt", "evaluate", "publish", "synthesize", "report", "check-build-cache", "compare", "promote",
      "make-corpus", "train-content-encoder", "init-base", "package-base",
      "prepare-models", "run-batch", "batch-report", "plan-script", "collect-speech", "join", "proofread", "serve", "serve-onnx",
    ]
  }
  context    = "."
  dockerfile = "images/Containerfile"
  target     = stage
  tags       = ["${REGISTRY}voicemill-${stage}:${TAG}"]
  args = {
    BASE                = BASE
    PIP_INDEX_URL       = PIP_INDEX_URL
    PIP_EXTRA_INDEX_URL = PIP_EXTRA_INDEX_URL
    PIP_TRUSTED_HOST    = PIP_TRUSTED_HOST
    PIP_CERT            = PIP_CERT
    TORCH_INDEX_URL     = TORCH_INDEX_URL
  }
  labels = {
    "org.opencontainers.image.title"    = "voicemill-${stage}"
    "org.opencontainers.image.licenses" = "MIT"
    "org.opencontainers.image.version"  = TAG
    "org.opencontainers.image.revision" = REVISION
    "org.opencontainers.image.source"   = SOURCE
  }
}
