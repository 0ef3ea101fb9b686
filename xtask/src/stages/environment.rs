//! `environment.json`: by stage, what a run was computed with beside its configuration.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use cantus_cache::Precision;
use cantus_kernels::Path as KernelPath;
use serde::{Deserialize, Serialize};

use crate::session::Session;

/// Where and how a stage was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Environment {
    version: String,
    threads: usize,
    /// The values that the network saw: `f16` where the memory did not hold `f32`.
    spectrograms_in_memory: Precision,
    /// The instructions that the network was computed with: another path rounds differently.
    #[serde(default)]
    kernels: String,
    platform: String,
}

/// Notes what `stage` of this run is computed with.
pub(crate) fn record(
    session: &Session,
    run: &Path,
    stage: &str,
    precision: Precision,
) -> Result<()> {
    let path = run.join("environment.json");
    let read = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut stages: BTreeMap<String, Environment> = read.unwrap_or_default();
    let environment = Environment {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        threads: rayon::current_num_threads(),
        spectrograms_in_memory: precision,
        kernels: KernelPath::current().to_string(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    };
    stages.insert(stage.to_owned(), environment);
    session.write(&path, serde_json::to_string_pretty(&stages)?.as_bytes())
}
