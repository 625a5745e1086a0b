#!/bin/bash
# An array of a hundred jobs that restore one volume:
#     MODEL=models/day1 IMAGE=big.zarr OUT=restored.zarr sbatch slurm.sh
#SBATCH --job-name=carescope
#SBATCH --array=0-99
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=08:00:00  # the first job reads the whole image before it begins
#SBATCH --requeue
#SBATCH --open-mode=append
# For GPUs: #SBATCH --gres=gpu:1
set -eu
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
# To give some of the jobs again, such as sbatch --array=3,17, write 100 for the count.
exec carescope restore "$MODEL" "$IMAGE" --out "$OUT" --memory 30GB \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
