# What images/build and images/smoke agree on: the builder, and the name of a stage's image.
# shellcheck shell=bash disable=SC2034

for builder in ${BUILDER:-docker podman buildah} ""; do
    case $builder in
        docker) docker buildx version >/dev/null 2>&1 && docker info >/dev/null 2>&1 && break ;;
        "") echo "images need docker with buildx, podman or buildah${BUILDER:+; $BUILDER was asked for}" >&2 && exit 69 ;;
        *) command -v "$builder" >/dev/null && break ;;
    esac
done

TAG=${TAG:-$(sed -n 's/^__version__ = "\(.*\)"/\1/p' voicemill/__init__.py)}
prefix=${REGISTRY:-}
# Without a registry, podman and buildah would look for the short name in every registry they know.
[ -n "$prefix" ] || [ "$builder" = docker ] || prefix=localhost/

image() { echo "${prefix}voicemill-$1:$TAG"; }

every_stage() { { basename -s .py stages/[a-z]*.py; echo proofread; echo serve; echo serve-onnx; } | tr _ -; }
