#!/usr/bin/env bash
# Says success, running or failed for the SLURM job whose id is given: squeue first, sacct for jobs it has forgotten.
state=$(squeue --noheader --jobs="$1" --states=all --format=%T 2>/dev/null | head -n 1)
if [ -z "$state" ]; then
    state=$(sacct --allocations --noheader --parsable2 --jobs="$1" --format=State 2>/dev/null | head -n 1)
fi
case "$state" in
    COMPLETED) echo success ;;
    BOOT_FAIL | CANCELLED* | DEADLINE | FAILED | NODE_FAIL | OUT_OF_MEMORY | PREEMPTED | TIMEOUT) echo failed ;;
    *) echo running ;;
esac
