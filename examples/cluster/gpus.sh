#!/bin/bash
# One computer with several GPUs, a process for each:
#     MODEL=models/day1 IMAGE=big.zarr OUT=restored.zarr bash gpus.sh
set -eu
exec carescope restore "$MODEL" "$IMAGE" --out "$OUT" \
    --workers "${GPUS:-$(nvidia-smi --list-gpus | wc -l)}"
