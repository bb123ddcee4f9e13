#!/usr/bin/env bash
# Checks and measures this GPU host with what lies beside this file, and writes what it found to a folder:
#   ./run.sh OUT [--tiny]
# result.json and result.md sum it up, log.txt has all that was printed. Every part has a time limit, and one that fails
# stops no other; the exit code says whether all were good. It takes less than nine minutes; --tiny takes sizes that the
# emulator can do, for a test of this script.
set -uo pipefail
bundle=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: run.sh OUT [--tiny]}
tiny=${2:-}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$bundle" || exit 2
exec > >(tee "$out/log.txt") 2>&1
tee=$!

node=$bundle/bin/node
read -r CIRCUMPLEX_COMMIT <"$bundle/commit"
export CIRCUMPLEX_COMMIT CIRCUMPLEX_DEVICE=cuda
: >"$out/parts.tsv"
deadline=520

note() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$out/parts.tsv"; }

not_run() {
  printf '\n== %s: not run: %s\n' "$1" "$2"
  note "$1" "not run: $2" 0
}

# part NAME SECONDS COMMAND...: runs it, and notes its exit code (124 and 137: its time limit) and how long it took.
part() {
  local name=$1 limit=$2 started=$SECONDS status=0
  shift 2
  ((limit > deadline - SECONDS)) && limit=$((deadline - SECONDS))
  if ((limit < 5)); then
    not_run "$name" 'no time was left'
    return
  fi
  printf '\n== %s\n' "$name"
  timeout -k 5 "$limit" "$@" || status=$?
  note "$name" "$status" "$((SECONDS - started))"
}

command -v nvidia-smi >/dev/null && nvidia-smi
part doctor 20 "$node" dist/cli/main.mjs doctor
part 'doctor, as JSON' 20 bash -c '"${@:2}" >"$1"' - "$out/doctor.json" "$node" dist/cli/main.mjs doctor --json

for test in tests/*; do
  [[ -x $test ]] && part "C++ tests: ${test##*/}" 60 "$test"
done

part correctness 120 "$node" --enable-source-maps build/bench/gpu-correctness.mjs --data data \
  --out "$out/correctness.json" $tiny

for tool in memcheck racecheck synccheck; do
  if command -v compute-sanitizer >/dev/null; then
    part "compute-sanitizer: $tool" 35 compute-sanitizer --tool "$tool" --error-exitcode 9 --print-limit 20 \
      "$node" build/bench/gpu-correctness.mjs --tiny --only operators
  else
    not_run "compute-sanitizer: $tool" 'it is not on the PATH'
  fi
done

part benchmarks 190 "$node" --enable-source-maps build/bench/gpu-lstm.mjs --out "$out/lstm.json" $tiny

"$node" --enable-source-maps build/bench/gpu-report.mjs "$out"
status=$?
exec >/dev/null 2>&1
wait "$tee"
exit "$status"
