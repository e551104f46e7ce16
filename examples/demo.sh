#!/usr/bin/env bash
# The whole job on one speaker: recordings in, a voice and spoken lines out.
#
#   examples/demo.sh RECORDINGS MODELS OUT
#
# MODELS that do not exist are made of the newest small base: fetched from its release if it is a later one than
# models/small, else or where that fails the one there. Its model card says how well it speaks.
set -euo pipefail

recordings=$1 models=$2 out=$3
voicemill=${VOICEMILL:-voicemill}

if [ ! -d "$models" ]; then
    "$voicemill" models small "$models"
fi

lines=$recordings/lines.txt
[ -f "$lines" ] || lines=$(dirname "$0")/demo_speaker/lines.txt

"$voicemill" run clone-voice \
    -p speaker="$(basename "$recordings")" \
    -p source="$recordings" \
    -p models="$models" \
    -p text="$lines" \
    --out "$out"

cat <<END

  voice    $out/voice
  speech   $(ls "$out"/speech/*.wav | wc -l) lines in $out/speech
  report   $out/report.html
END
if [ -f "$models/toy.json" ]; then
    echo
    if [ -f "$models/defaults.yaml" ]; then
        echo "  These are small weights, of which models/small/README.md says what to expect."
    else
        echo "  These are toy weights: the speech is babble."
    fi
    echo "  With real ones (voicemill models pull DIR): make demo MODELS=DIR"
fi
