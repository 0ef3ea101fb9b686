//! The peers of `bench train`: whether they are there, and a process of each.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use cantus_kernels::Path;

use super::Case;
use super::steps::Timed;
use crate::cli::{BenchTrainFlags, Peer, Worker};
use crate::commands::bench::worker_process::json_of;

/// A network in Python, step by step the same work.
struct Script {
    source: &'static str,
    /// What it imports, and what brings it.
    modules: &'static str,
    packages: &'static str,
}

/// A peer's script behind what they all begin with.
macro_rules! with_clock {
    ($script:literal) => {
        concat!(include_str!("step_times.py"), include_str!($script))
    };
}

const TORCH: Script =
    Script { source: with_clock!("torch_step.py"), modules: "torch", packages: "torch" };

const KERAS: Script = Script {
    source: with_clock!("keras_step.py"),
    modules: "tensorflow, keras",
    packages: "tensorflow keras",
};

impl Peer {
    fn script(self) -> Option<Script> {
        match self {
            Self::Torch => Some(TORCH),
            Self::Keras => Some(KERAS),
            Self::Candle => None,
        }
    }

    /// Why it cannot be run, where it cannot, and what to do about it.
    pub(super) fn why_missing(self, flags: &BenchTrainFlags) -> Option<String> {
        let Script { modules, packages, .. } = self.script()?;
        let name = flags.python.display();
        let mut python = Command::new(&flags.python);
        python.args(["-c", &format!("import {modules}")]);
        match python.stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => None,
            Ok(_) => Some(format!(
                "`{name}` cannot import {modules} (`pip install {packages}` in its environment, \
                 or `--python`, brings the peer)"
            )),
            Err(error) => Some(format!("`{name}` cannot be started: {error}")),
        }
    }

    /// Runs its process.
    pub(super) fn time(self, flags: &BenchTrainFlags, case: Case) -> Result<Timed> {
        match self.script() {
            Some(script) => json_of(script.process(flags, case)),
            None => json_of(case.process_of(Worker::Candle, flags)?),
        }
        .with_context(|| format!("{self} could not be timed"))
    }

    /// What it is called in a row.
    pub(super) fn in_full(self, version: &str) -> String {
        match self {
            Self::Torch => format!("torch {version} channels_last f32"),
            Self::Keras | Self::Candle => format!("{self} {version} f32"),
        }
    }
}

impl Script {
    fn process(&self, flags: &BenchTrainFlags, case: Case) -> Command {
        let numbers = [case.frames, flags.batch, flags.warm_up, flags.steps, case.threads];
        let mut process = Command::new(&flags.python);
        process
            .args(["-c", self.source])
            .args(numbers.map(|number| number.to_string()))
            .arg(flags.peer_seconds.to_string())
            // glibc then keeps the large activations from step to step: up to twice as fast.
            .env("MALLOC_MMAP_THRESHOLD_", "8589934592")
            .env("MALLOC_TRIM_THRESHOLD_", "8589934592")
            .env("OMP_NUM_THREADS", case.threads.to_string());
        // The peers' own ways to do without newer instructions, of oneDNN, PyTorch and XLA. None
        // goes below SSE4, and what TensorFlow leaves to neither has AVX.
        let limits = match case.path {
            Path::Avx2 => Some(["AVX2", "avx2", "AVX2"]),
            Path::Portable => Some(["SSE41", "default", "SSE4_2"]),
            _ => None,
        };
        if let Some([of_onednn, of_pytorch, of_xla]) = limits {
            process
                .env("ONEDNN_MAX_CPU_ISA", of_onednn)
                .env("ATEN_CPU_CAPABILITY", of_pytorch)
                .env("XLA_FLAGS", format!("--xla_cpu_max_isa={of_xla}"));
        }
        process
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Torch => "torch",
            Self::Keras => "keras",
            Self::Candle => "candle",
        })
    }
}
