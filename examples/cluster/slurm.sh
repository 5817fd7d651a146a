#!/bin/bash
# Finishes a grid on the nodes of a Slurm array, one worker a node:
#
#   sbatch --exclusive --array=1-8 --time=12:00:00 examples/cluster/slurm.sh supp_table1
#
# --exclusive: nothing of others runs beside the timed cells, and no second task of the array.
# Tasks may start and end at any time: each takes what no other has taken, and the store keeps whatever is finished.
#SBATCH --job-name=bench
#SBATCH --exclusive
#SBATCH --requeue              # a preempted task begins again, and goes on from the last checkpoint
#SBATCH --output=bench-%A-%a.log
set -euo pipefail

# A folder that all nodes see, with the virtual environment, the results and the cache.
shared="${BENCH_SHARED:-$HOME/bench}"
source "$shared/.venv/bin/activate"

# --wait: a task that finds everything taken stays, since a node of the others may fail.
# --for: nothing is begun in the last hour of --time, which would only be cut off.
# --jobs: trainings side by side, one a GPU; the timed cells come when none of them runs.
python -m bench work --grid "${1:?a grid}" --out "$shared/results" --cache-dir "$shared/cache" \
  --wait --for "${BENCH_FOR:-11h}" --jobs "${SLURM_GPUS_ON_NODE:-1}"
