#![doc = include_str!("../README.md")]

mod atomic_file;
mod error;
pub mod fault;
mod fingerprint;
mod freshness;
mod items;
mod leftovers;
mod lock;
mod seal;
mod stage;
mod stat_cache;
mod stat_cache_file;

pub use atomic_file::{AtomicFile, write_atomic, write_atomic_bytes};
pub use error::PipelineError;
pub use fingerprint::{Fingerprint, FingerprintBuilder, Input, SavedFingerprint, content_digest};
pub use freshness::{Freshness, Reason};
pub use items::{ItemChanges, ItemTable};
pub use leftovers::sweep_leftovers;
pub use lock::{Holder, Lock, LockError};
pub use seal::{Damage, DamageKind};
pub use stage::{Plan, PlannedStage, Stage, Verdict};
pub use stat_cache::{StatCache, StatCacheCounts};
