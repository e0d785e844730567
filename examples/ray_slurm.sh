#!/bin/bash
# A Ray cluster within one SLURM allocation, and `dvc repro` on it: sbatch examples/ray_slurm.sh
# The repository lies on a disk that all nodes share, with `make install` done, and params.yaml says
#     execution: {engine: {name: ray}}
#SBATCH --job-name=convoy
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

export RAY_USAGE_STATS_ENABLED=0
export PATH="$PWD/.venv/bin:$PATH"
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$head:6379"
resources=(--num-cpus "$SLURM_CPUS_ON_NODE" --num-gpus "${SLURM_GPUS_ON_NODE:-0}")

srun --nodes=1 --ntasks=1 --overlap --nodelist="$head" \
  ray start --head --port=6379 --block "${resources[@]}" &
cluster=$!
until ray status --address "$address" >/dev/null 2>&1; do
  kill -0 $cluster # fails where Ray could not start
  sleep 2
done

if ((SLURM_NNODES > 1)); then
  srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --overlap --exclude="$head" \
    ray start --address="$address" --block "${resources[@]}" &
fi
until (($(python -c "import ray; ray.init('$address', logging_level=40); print(len(ray.nodes()))") == SLURM_NNODES)); do
  sleep 2
done

# The script runs on the first node, the head. Two minutes before the end, SLURM asks it to stop: as
# after Ctrl-C, fits save a checkpoint and leave, and the next job goes on from there.
set -m # a process group of its own
RAY_ADDRESS="$address" dvc repro &
repro=$!
trap 'kill -INT -- -$repro' TERM
wait $repro || wait $repro # the first one ends with the signal
