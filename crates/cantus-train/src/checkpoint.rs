//! A checkpoint as bytes: one safetensors string with every number that a training needs to go
//! on.
//!
//! Tensors are `weight.NAME`, `adam.first.NAME`, `adam.second.NAME` and, once an epoch is over,
//! `best.NAME`. The header's metadata has one key (safetensors writes several in random order) of
//! JSON: the format's version, the counters, what the training was set to, and a hash over all of
//! it, since safetensors itself has none.

use std::collections::{BTreeMap, HashMap};

use candle_core::Tensor;
use candle_core::safetensors::Load;
use safetensors::{SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::adam::AdamState;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::history::{ClipSums, EarlyStopping, EpochRecord};

const METADATA_KEY: &str = "cantus_checkpoint";
const FORMAT: u64 = 1;

/// Where a training stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Batches of the current epoch that were learnt from.
    pub(crate) batch: usize,
    /// Steps since the start.
    pub(crate) steps: u64,
    /// Sums over those batches.
    pub(crate) sums: ClipSums,
    pub(crate) stopping: EarlyStopping,
    /// The epochs that are over.
    pub(crate) history: Vec<EpochRecord>,
}

/// What must be the same for a checkpoint to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) config: TrainConfig,
    pub(crate) network: serde_json::Value,
    pub(crate) labels: Vec<String>,
    pub(crate) training: PartIdentity,
    pub(crate) validation: PartIdentity,
    /// The caller's own word for its data.
    pub(crate) data: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartIdentity {
    pub(crate) clips: usize,
    pub(crate) frames_per_clip: usize,
    pub(crate) digest: String,
}

/// The JSON in the header.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u64,
    blake3: String,
    identity: Identity,
    progress: Progress,
}

/// Everything that is saved.
pub(crate) struct Checkpoint {
    pub(crate) identity: Identity,
    pub(crate) progress: Progress,
    pub(crate) weights: BTreeMap<String, Tensor>,
    pub(crate) adam: AdamState,
    pub(crate) best: Option<BTreeMap<String, Tensor>>,
}

/// Checks that a checkpoint is whole and as it was written, whatever training it belongs to.
///
/// # Errors
/// [`TrainError::CheckpointDamaged`] with the reason.
pub fn check_checkpoint(bytes: &[u8]) -> Result<(), TrainError> {
    Checkpoint::from_bytes(bytes).map(drop)
}

impl Checkpoint {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, TrainError> {
        let tensors = self.tensors();
        let header = Header {
            format: FORMAT,
            blake3: content_hash(&self.identity, &self.progress, &tensors)?,
            identity: self.identity.clone(),
            progress: self.progress.clone(),
        };
        let json = serde_json::to_string(&header).map_err(unserialisable)?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), json)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(unserialisable)
    }

    /// Reads a checkpoint and checks that it is whole.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, TrainError> {
        let header = header_of(bytes)?;
        let mut tensors = BTreeMap::new();
        let whole = SafeTensors::deserialize(bytes)
            .map_err(|error| TrainError::damaged(error.to_string()))?;
        for (name, view) in whole.tensors() {
            tensors.insert(name, view.load(&candle_core::Device::Cpu)?);
        }
        if content_hash(&header.identity, &header.progress, &tensors)? != header.blake3 {
            return Err(TrainError::damaged("its content does not have the hash in its header"));
        }
        let mut take = |prefix: &str| split_off(&mut tensors, prefix);
        let weights = take("weight.");
        let adam = AdamState {
            steps: header.progress.steps,
            first: take("adam.first."),
            second: take("adam.second."),
        };
        let best = header.progress.stopping.best.map(|_| take("best."));
        Ok(Self { identity: header.identity, progress: header.progress, weights, adam, best })
    }

    fn tensors(&self) -> BTreeMap<String, Tensor> {
        let none = BTreeMap::new();
        let groups = [
            ("weight.", &self.weights),
            ("adam.first.", &self.adam.first),
            ("adam.second.", &self.adam.second),
            ("best.", self.best.as_ref().unwrap_or(&none)),
        ];
        groups
            .into_iter()
            .flat_map(|(prefix, tensors)| {
                tensors
                    .iter()
                    .map(move |(name, tensor)| (format!("{prefix}{name}"), tensor.clone()))
            })
            .collect()
    }
}

/// How many whole epochs the training in a checkpoint has behind it. Reads the header alone.
///
/// # Errors
///
/// If the bytes are no checkpoint of this version.
pub fn epochs_in_checkpoint(bytes: &[u8]) -> Result<usize, TrainError> {
    Ok(header_of(bytes)?.progress.history.len())
}

fn header_of(bytes: &[u8]) -> Result<Header, TrainError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|error| TrainError::damaged(error.to_string()))?;
    let json = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
    read_header(
        json.ok_or_else(|| TrainError::damaged(format!("its header has no key `{METADATA_KEY}`")))?,
    )
}

fn read_header(json: &str) -> Result<Header, TrainError> {
    // The version comes first: another version may have other fields.
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let damaged = |error: serde_json::Error| TrainError::damaged(format!("in its header: {error}"));
    let Version { format: found } = serde_json::from_str(json).map_err(damaged)?;
    if found != FORMAT {
        return Err(TrainError::CheckpointVersion { found, supported: FORMAT });
    }
    serde_json::from_str(json).map_err(damaged)
}

/// Takes the tensors whose names start with `prefix` out of a table, the prefix off their names.
fn split_off(tensors: &mut BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    let (found, rest) = std::mem::take(tensors)
        .into_iter()
        .partition::<BTreeMap<_, _>, _>(|(name, _)| name.starts_with(prefix));
    *tensors = rest;
    found.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor)).collect()
}

/// A hash of everything in a checkpoint, in an order of its own, so that it does not depend on
/// how safetensors lays out a file.
fn content_hash(
    identity: &Identity,
    progress: &Progress,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<String, TrainError> {
    let mut hasher = blake3::Hasher::new();
    let mut update = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    update(&serde_json::to_vec(&(identity, progress)).map_err(unserialisable)?);
    for (name, tensor) in tensors {
        update(name.as_bytes());
        update(format!("{:?} {:?}", tensor.dtype(), tensor.dims()).as_bytes());
        update(&View::data(tensor));
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn unserialisable(error: impl std::error::Error + Send + Sync + 'static) -> TrainError {
    TrainError::Serialization(Box::new(error))
}

impl Identity {
    /// Checks that a checkpoint of identity `self` may go on as `now`.
    pub(crate) fn check(&self, now: &Self) -> Result<(), TrainError> {
        let (then, now) = (
            serde_json::to_value(self).map_err(unserialisable)?,
            serde_json::to_value(now).map_err(unserialisable)?,
        );
        match first_difference("", &then, &now) {
            None => Ok(()),
            Some((field, checkpoint, now)) => {
                Err(TrainError::CheckpointMismatch { field, checkpoint, now })
            }
        }
    }
}

/// The path of the first value that differs between two trees of JSON, and both values.
fn first_difference(
    path: &str,
    then: &serde_json::Value,
    now: &serde_json::Value,
) -> Option<(String, String, String)> {
    use serde_json::Value;
    if let (Value::Object(then), Value::Object(now)) = (then, now) {
        let names: std::collections::BTreeSet<_> = then.keys().chain(now.keys()).collect();
        return names.into_iter().find_map(|name| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let value = |of: &serde_json::Map<String, Value>| of.get(name).cloned();
            first_difference(
                &path,
                &value(then).unwrap_or(Value::Null),
                &value(now).unwrap_or(Value::Null),
            )
        });
    }
    (then != now).then(|| (path.to_owned(), then.to_string(), now.to_string()))
}
