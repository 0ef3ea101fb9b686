#!/usr/bin/env bash
# Depends on the crates as a stranger does: from a project outside of this workspace, by path.
#
#   tests/outside.sh          both projects
#   tests/outside.sh audio    cantus-audio and cantus-mel alone
#   tests/outside.sh kernels  cantus-kernels alone
#
# Each project is built from nothing in a temporary folder, with the versions of this workspace's Cargo.lock, and run. The
# network is asked only for crates that the machine does not have yet.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR="$work/target"
host="$(cargo -vV | sed -n 's/^host: //p')"
passed=0
failed=0

fail() {
  printf '  %s\n' "$*"
  return 1
}

# new_project NAME CRATE...: a package that depends on crates of this workspace, its main.rs from standard input.
new_project() {
  local folder="$work/$1"
  mkdir -p "$folder/src"
  {
    printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\n' "$1"
    local crate
    for crate in "${@:2}"; do printf '%s = { path = "%s/crates/%s" }\n' "$crate" "$root" "$crate"; done
    printf '\n[workspace]\n'
  } >"$folder/Cargo.toml"
  cat >"$folder/src/main.rs"
  cp "$root/Cargo.lock" "$folder/Cargo.lock"
}

# packages FILE: name and version of each package of a Cargo.lock.
packages() {
  awk -F'"' '/^name = /{name = $2} /^version = /&&name{print name, $2; name = ""}' "$1" | sort
}

# try NAME FORBIDDEN EXPECTED: builds and runs a project. No package of its tree may have a name that FORBIDDEN, an extended
# regular expression, matches from its beginning, and it must print EXPECTED.
try() {
  local name="$1" forbidden="$2" expected="$3" tree unwanted strange printed
  printf '%s\n' "$name"
  cd "$work/$name"
  cargo fetch --quiet --offline --target "$host" 2>/dev/null || cargo fetch --quiet --target "$host" || return 1
  strange="$(comm -23 <(packages Cargo.lock | grep -v "^$name ") <(packages "$root/Cargo.lock"))"
  [ -z "$strange" ] || fail "versions that the workspace does not have: $strange" || return 1
  tree="$(cargo tree --offline --locked --prefix none --edges normal,build | awk '{print $1}' | sort -u)" || return 1
  unwanted="$(grep -E "^($forbidden)" <<<"$tree" || true)"
  [ -z "$unwanted" ] || fail "pulls in" $unwanted || return 1
  printf '  %s crates beside it\n' "$(grep -cvx "$name" <<<"$tree")"
  SECONDS=0
  cargo build --quiet --release --offline --locked || return 1
  printf '  built in %s s\n' "$SECONDS"
  printed="$("$CARGO_TARGET_DIR/release/$name")" || return 1
  printf '  printed: %s\n' "$printed"
  [ "$printed" = "$expected" ] || fail "instead of: $expected" || return 1
}

count() {
  if try "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

audio() {
  new_project outside-audio cantus-audio cantus-mel <<EOF
use std::error::Error;
use std::path::Path;

use cantus_audio::{DecodeOptions, decode_path};
use cantus_mel::{LogMelPlan, MelConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let config = MelConfig::paper();
    let options =
        DecodeOptions { sample_rate: Some(config.sample_rate), ..DecodeOptions::default() };
    let audio = decode_path(Path::new("$root/crates/cantus-audio/tests/data/tone.mp3"), &options)?;
    let mel = LogMelPlan::new(&config)?.compute(&audio.samples)?;
    let middle = mel.frame(mel.n_frames / 2).ok_or("no frame")?;
    let loudest = (0..mel.n_mels).max_by(|&a, &b| middle[a].total_cmp(&middle[b]));
    println!("{} frames of {} bands, band {loudest:?} is loudest", mel.n_frames, mel.n_mels);
    Ok(())
}
EOF
  # A tone of 440 Hz for half a second.
  count outside-audio 'candle|arrow|parquet|serde_json|rayon$|cc$|cmake' '16 frames of 128 bands, band Some(18) is loudest'
}

kernels() {
  new_project outside-kernels cantus-kernels <<'EOF'
use std::error::Error;

use cantus_kernels::candle_core::{DType, Device, Tensor, Var};
use cantus_kernels::{
    Activation, AdamMoments, AdamStep, ConvBlockParameters, ConvBlockSettings, adam_step,
    conv_block_train,
};

/// Teaches one block of 16 filters to give more where its input is larger: the loss goes down.
fn main() -> Result<(), Box<dyn Error>> {
    let x = Tensor::arange(0f32, 2048.0, &Device::Cpu)?.reshape((2, 16, 64, 1))?.sin()?;
    let weight = Var::randn(0f32, 0.3, (16, 1, 3, 3), &Device::Cpu)?;
    let zeros = Tensor::zeros(16, DType::F32, &Device::Cpu)?;
    let ones = Tensor::ones(16, DType::F32, &Device::Cpu)?;
    let parameters =
        ConvBlockParameters { weight: &weight, bias: &zeros, gamma: &ones, beta: &zeros };
    let settings =
        ConvBlockSettings { activation: Activation::Elu, epsilon: 1e-3, pool: (2, 2), path: None };
    let target = x.narrow(1, 0, 8)?.narrow(2, 0, 32)?.broadcast_as((2, 8, 32, 16))?;
    let mut moments = AdamMoments::zeros(&weight)?;
    let (mut losses, mut shape) = (Vec::new(), Vec::new());
    for step in 1..=50 {
        let y = conv_block_train(&x, parameters, &settings, None)?.output;
        shape = y.dims().to_vec();
        let loss = (y - &target)?.sqr()?.mean_all()?;
        losses.push(loss.to_scalar::<f32>()?);
        let gradients = loss.backward()?;
        let gradient = gradients.get(&weight).ok_or("no gradient")?;
        adam_step(&weight, gradient, &mut moments, AdamStep::torch(0.01, (0.9, 0.999), 1e-8, step))?;
    }
    println!("{shape:?}, the loss went down: {}", losses[49] < losses[0]);
    Ok(())
}
EOF
  count outside-kernels 'symphonia|arrow|parquet|rubato|realfft|cantus-(audio|mel|c)|cmake' \
    '[2, 8, 32, 16], the loss went down: true'
}

[ "$#" -gt 0 ] || set -- audio kernels
for project in "$@"; do
  case "$project" in
    audio | kernels) "$project" ;;
    *)
      printf 'no project %s\n' "$project" >&2
      exit 2
      ;;
  esac
done
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
