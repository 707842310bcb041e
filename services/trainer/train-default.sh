#!/bin/sh
# The default model, from nothing: data, a head, three runs that go on from it, their average, and what all are worth.
# Each step that is done is passed over, and runs go on where they were interrupted: call it again after a stop.
# Usage: services/trainer/train-default.sh [--set KEY.PATH=VALUE …]      (for every run)
# Environment: PROCESSES (2; 64 pictures each), SEEDS ("0 1 2"), RUNS (data/default-model), BUNDLES (data/default-model/bundles), BIN (.venv/bin)
set -eu
cd "$(dirname "$0")/../.."

bin=${BIN:-.venv/bin}
data=data/clipart
runs=${RUNS:-data/default-model}
bundles=${BUNDLES:-$runs/bundles}
seeds=${SEEDS:-0 1 2}
configuration=services/trainer/configurations/default.yaml
before=$runs/before/sightwire-default-1
reports=$runs/reports

say() { printf '\033[1mtrain-default:\033[0m %s\n' "$*" >&2; }

# Processes of torchrun have one thread each unless OMP_NUM_THREADS says otherwise.
train() {
    run=$1
    shift
    if [ -e "$run/done" ]; then return; fi
    say "training $run"
    "$bin/python" -m torch.distributed.run --standalone --nproc-per-node "${PROCESSES:-2}" \
        -m sightwire.cli train "$configuration" --out "$run" "$@"
    touch "$run/done"
}

# Of one model: the three test sets, then pictures by pictures, then both without the flags.
measure() {
    model=$1
    name=$2
    if [ -e "$reports/$name.without-flags.json" ]; then return; fi
    say "measuring $name"
    among="--direction image_to_image --candidates $data/train.tar --origin noto"
    texts="--direction text_to_image"
    if [ "$name" = pixels ]; then
        texts=
    else
        # Unquoted on purpose: several words each.
        "$bin/sightwire" eval "$model" "$data/test-new-artist.tar" "$data/test-unseen-concept.tar" \
            "$data/test-openclipart.tar" $texts --json "$reports/$name.sets.json"
    fi
    "$bin/sightwire" eval "$model" "$data/test-new-artist.tar" $among --json "$reports/$name.pictures.json"
    "$bin/sightwire" eval "$model" "$data/test-new-artist.tar" --leave-out '^flag: ' $texts $among \
        --json "$reports/$name.without-flags.json"
}

bundle_of() { echo "$1"/bundles/*/; }

"$bin/sightwire" datasets prepare clipart --out "$data" --styles \
    fluent-flat,fluent-high-contrast,fluent-3d,noto-v1,fxemoji,icon-park,circle-flags,flag-icons,openclipart-more

train "$runs/head" --set epochs=0 "$@"
folders=
for seed in $seeds; do
    train "$runs/seed-$seed" --set seed="$seed" --set begin_with="$(pwd)/$runs/head" "$@"
    folders="$folders $runs/seed-$seed"
done

mkdir -p "$reports"
"$bin/python" -m models.recipes.default_bundle --source models/starting --destination "$runs/before" >/dev/null
if [ ! -e "$runs/average" ]; then
    say "averaging$folders"
    "$bin/sightwire" models average $folders --out "$runs/average.part/bundles" --licence Apache-2.0
    mv "$runs/average.part" "$runs/average"
fi

measure "$(bundle_of "$runs/average")" average
for seed in $seeds; do measure "$(bundle_of "$runs/seed-$seed")" "seed-$seed"; done
measure "$(bundle_of "$runs/head")" head
measure "$before" start
measure random-trunk random-trunk
measure pixels pixels

mkdir -p docs/models "$bundles"
"$bin/sightwire" eval "$(bundle_of "$runs/average")" "$data/test-new-artist.tar" "$data/test-unseen-concept.tar" \
    --direction text_to_image --against "$before" --sheet docs/models/default.png \
    --json "$reports/against.json" --markdown "$reports/against.md"
"$bin/python" -m models.recipes.default_model_page "$reports" docs/models/default.md
cp -r "$(bundle_of "$runs/average")" "$bundles/"
say "the model is in $bundles, its measures are in docs/models/default.md"
