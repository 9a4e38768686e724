#!/bin/sh
# Builds the fuzzers with stable Rust and runs one: run.sh TARGET [SECONDS]
set -eu
cd "$(dirname "$0")"
target=$1 seconds=${2:-1800}
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz passes, without AddressSanitizer: that needs a nightly compiler, and finds what
# safe Rust does not have.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
  cargo build --release --target "$host"
mkdir -p "corpus/$target" "artifacts/$target"
exec "target/$host/release/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
  -max_len=65536 -print_final_stats=1 -artifact_prefix="artifacts/$target/" \
  "corpus/$target" "seeds/$target"
