#!/usr/bin/env bash
# The whole job on one speaker: recordings in, a voice and spoken lines out.
#
#   examples/demo.sh RECORDINGS MODELS OUT
#
# MODELS that do not exist are unpacked from the small base in models/small, whose model card says how well it speaks.
set -euo pipefail

recordings=$1 models=$2 out=$3
voicemill=${VOICEMILL:-voicemill}

if [ ! -d "$models" ]; then
    "$voicemill" models small "$models"
fi

lines=$recordings/lines.txt
[ -f "$lines" ] || lines=$(dirname "$0")/demo_speaker/lines.txt

# A small base is best understood when it always takes the likeliest token, hears a whole line at once, and does not go on
# from other words. It knows the demo speaker, of whom it has more to lose by a recogniser's transcripts, by music and by
# echoes that its separators let through, than to learn: it is tuned little.
small=()
if grep -qs '"base"' "$models/toy.json"; then
    small=(-p sovits-epochs=4 -p sovits-learning-rate=0.00002 -p gpt-epochs=1 -p gpt-learning-rate=0.0001)
    small+=(-p top-k=1 -p repetition-penalty=1 -p cut=cut0 -p prompted=false)
fi

"$voicemill" run clone-voice \
    -p speaker="$(basename "$recordings")" \
    -p source="$recordings" \
    -p models="$models" \
    -p text="$lines" \
    ${small[@]+"${small[@]}"} \
    --out "$out"

cat <<END

  voice    $out/voice
  speech   $(ls "$out"/speech/*.wav | wc -l) lines in $out/speech
  report   $out/report.html
END
if [ -f "$models/toy.json" ]; then
    echo
    if [ ${#small[@]} -gt 0 ]; then
        echo "  These are small weights, of which models/small/README.md says what to expect."
    else
        echo "  These are toy weights: the speech is babble."
    fi
    echo "  With real ones (voicemill models pull DIR): make demo MODELS=DIR"
fi
