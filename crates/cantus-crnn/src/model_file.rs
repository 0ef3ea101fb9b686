use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::tensors::check;
use crate::{Crnn2dConfig, CrnnError, Model, ModelConfig, OpenSet};

/// Files larger than this are refused before they are read: 1 GiB.
pub const MAX_MODEL_BYTES: u64 = 1 << 30;

/// The header's one metadata key: safetensors writes several in an order that changes from run to
/// run.
const METADATA_KEY: &str = "cantus";

/// Version 1 knew [`Crnn2dConfig`] alone, which stands in it without the network's name; version 3 was
/// version 2 with an [`OpenSet`], which did not name its measure; version 4 has a digest, and may have an
/// open set.
const FORMAT_VERSION: u32 = 4;
const WITH_OPEN_SET: u32 = 3;

/// Separates the digest from any other use of BLAKE3.
const DIGEST_CONTEXT: &str = "cantus-crnn 2026 model file, form 4";

/// A trained model with what is needed to use it, as one safetensors file of f32 tensors.
///
/// Equal models give equal bytes.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The network's shape.
    pub config: ModelConfig,
    /// Class names by index, each once.
    pub labels: Vec<String>,
    /// Settings of the front end that made the training spectrograms; not interpreted here.
    pub front_end: BTreeMap<String, String>,
    /// Length of the clips that the model was trained on.
    pub frames_per_clip: usize,
    /// What songs by artists that the model does not know look like to it, where that was measured.
    pub open_set: Option<OpenSet>,
    /// Every parameter and buffer, by name, f32.
    pub tensors: BTreeMap<String, Tensor>,
}

/// The metadata as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata<Config> {
    config: Config,
    /// Of all else in the file, see [`digest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    format_version: u32,
    frames_per_clip: usize,
    front_end: BTreeMap<String, String>,
    labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_set: Option<OpenSet>,
}

impl ModelFile {
    /// Takes a copy of a model's tensors (an f64 model's are rounded to f32).
    ///
    /// # Errors
    /// When the labels do not fit the model, or a weight is not finite.
    pub fn new(
        model: &Model,
        labels: Vec<String>,
        front_end: BTreeMap<String, String>,
        frames_per_clip: usize,
    ) -> Result<Self, CrnnError> {
        let mut tensors = model.tensors()?;
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_dtype(DType::F32)?;
        }
        let file = Self {
            config: model.config().clone(),
            labels,
            front_end,
            frames_per_clip,
            open_set: None,
            tensors,
        };
        file.check()?;
        Ok(file)
    }

    /// The model, ready to run on the CPU.
    ///
    /// # Errors
    /// As [`Model::from_tensors`].
    pub fn model(&self) -> Result<Model, CrnnError> {
        Model::from_tensors(self.config.clone(), self.tensors.clone())
    }

    /// A model for other artists that begins with this one's weights, which is what fine-tuning is:
    /// all but the last layer, which is drawn by `seed` as [`Model::new`] draws it. For the same
    /// labels in the same order the last layer stays, too.
    ///
    /// # Errors
    /// When there is no label, or as [`Model::from_tensors`].
    pub fn model_for(&self, labels: &[String], seed: u64) -> Result<Model, CrnnError> {
        if labels == self.labels {
            return self.model();
        }
        let config = self.config.clone().with_classes(labels.len());
        let anew = Model::new(config.clone(), seed, &Device::Cpu, DType::F32)?.tensors()?;
        let mut tensors = self.tensors.clone();
        tensors.extend(anew.into_iter().filter(|(name, _)| name.starts_with("dense.")));
        Model::from_tensors(config, tensors)
    }

    /// The file's contents: a pure function of this value.
    ///
    /// # Errors
    /// When a label, a shape or a value would be refused on reading.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CrnnError> {
        self.check()?;
        let mut contents = BTreeMap::new();
        for (name, tensor) in &self.tensors {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            contents.insert(name.as_str(), bytes);
        }
        let mut metadata = Metadata {
            config: self.config.clone(),
            digest: None,
            format_version: FORMAT_VERSION,
            frames_per_clip: self.frames_per_clip,
            front_end: self.front_end.clone(),
            labels: self.labels.clone(),
            open_set: self.open_set.clone(),
        };
        let of_tensors = contents.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
        metadata.digest = Some(digest(&canonical_json(&metadata)?, of_tensors));
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), canonical_json(&metadata)?)]);
        let mut views = Vec::with_capacity(contents.len());
        for (name, bytes) in &contents {
            let shape = self.tensors[*name].dims().to_vec();
            let view = TensorView::new(Dtype::F32, shape, bytes).map_err(CrnnError::safetensors)?;
            views.push((*name, view));
        }
        safetensors::serialize(views, Some(metadata)).map_err(CrnnError::safetensors)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Needs no more memory than a few times the
    /// length of `bytes`, whatever the header claims.
    ///
    /// # Errors
    /// When the header lies about sizes, the metadata is not what this crate writes, a tensor is
    /// missing, unknown, not f32, of another shape or not finite, labels are missing, empty, twice
    /// there or too many, or anything is not as it was written: [`CrnnError::Digest`] where only that
    /// shows it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CrnnError> {
        let contents = SafeTensors::deserialize(bytes).map_err(CrnnError::safetensors)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(CrnnError::safetensors)?;
        let mut metadata = parse_metadata(header.metadata().as_ref())?;
        metadata.config.validate()?;
        let wanted = metadata.config.wanted();
        let mut tensors = BTreeMap::new();
        for (name, view) in contents.iter() {
            let name = name.to_owned();
            let Some(wanted) = wanted.get(&name) else {
                return Err(CrnnError::UnknownTensor { name });
            };
            if view.dtype() != Dtype::F32 {
                let (expected, got) = ("f32", format!("{:?}", view.dtype()));
                return Err(CrnnError::ElementType { name, expected, got });
            }
            if view.shape() != wanted.shape {
                let (expected, got) = (wanted.shape.clone(), view.shape().to_vec());
                return Err(CrnnError::TensorShape { name, expected, got });
            }
            let (values, _) = view.data().as_chunks::<4>();
            let values: Vec<f32> = values.iter().map(|v| f32::from_le_bytes(*v)).collect();
            tensors.insert(name, Tensor::from_vec(values, view.shape(), &Device::Cpu)?);
        }
        let written = metadata.digest.take();
        let text = canonical_json(&metadata)?;
        let Metadata { config, frames_per_clip, front_end, labels, open_set, .. } = metadata;
        let file = Self { config, labels, front_end, frames_per_clip, open_set, tensors };
        file.check()?;
        if let Some(written) = written {
            let of_tensors: BTreeMap<&str, &[u8]> =
                contents.iter().map(|(name, view)| (name, view.data())).collect();
            if digest(&text, of_tensors) != written {
                return Err(CrnnError::Digest);
            }
        }
        Ok(file)
    }

    /// Reads a file. Nothing is memory-mapped.
    ///
    /// # Errors
    /// [`CrnnError::Io`] when it cannot be read, [`CrnnError::File`] with the reason when it is no
    /// usable model or larger than [`MAX_MODEL_BYTES`].
    pub fn read(path: &Path) -> Result<Self, CrnnError> {
        let io_error = |source| CrnnError::Io { path: path.to_owned(), source };
        let file_error =
            |source| CrnnError::File { path: path.to_owned(), source: Box::new(source) };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io_error)?;
        file.take(MAX_MODEL_BYTES + 1).read_to_end(&mut bytes).map_err(io_error)?;
        if bytes.len() as u64 > MAX_MODEL_BYTES {
            let problem = format!("the file has more than {MAX_MODEL_BYTES} bytes");
            return Err(file_error(CrnnError::Metadata { problem }));
        }
        Self::from_bytes(&bytes).map_err(file_error)
    }

    /// Checks what [`from_bytes`](Self::from_bytes) has checked: fields may have been changed since.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), but for what only a file can have wrong.
    pub fn check(&self) -> Result<(), CrnnError> {
        self.config.validate()?;
        let labels_error = |problem| Err(CrnnError::Labels { problem });
        if self.labels.len() != self.config.classes() {
            let (labels, classes) = (self.labels.len(), self.config.classes());
            return labels_error(format!("{labels} labels for {classes} classes"));
        }
        let mut seen = BTreeSet::new();
        for label in &self.labels {
            if label.is_empty() {
                return labels_error("a label is empty".to_owned());
            }
            if !seen.insert(label) {
                return labels_error(format!("`{label}` stands there twice"));
            }
        }
        if let Some(open_set) = &self.open_set {
            open_set.check()?;
        }
        let minimum = self.config.minimum_frames();
        if self.frames_per_clip < minimum {
            return Err(CrnnError::TooFewFrames { minimum, got: self.frames_per_clip });
        }
        if let Some((name, tensor)) = self.tensors.iter().find(|(_, t)| t.dtype() != DType::F32) {
            let got = format!("{:?}", tensor.dtype());
            return Err(CrnnError::ElementType { name: name.clone(), expected: "f32", got });
        }
        check(&self.config.wanted(), &self.tensors)
    }
}

fn parse_metadata(
    entries: Option<&HashMap<String, String>>,
) -> Result<Metadata<ModelConfig>, CrnnError> {
    let fail = |problem: String| Err(CrnnError::Metadata { problem });
    let Some(text) = entries.and_then(|entries| entries.get(METADATA_KEY)) else {
        return fail(format!("the header has no `{METADATA_KEY}` entry: no model of this project"));
    };
    if entries.is_some_and(|entries| entries.len() != 1) {
        return fail(format!("the header has entries beside `{METADATA_KEY}`"));
    }
    let value: serde_json::Value = serde_json::from_str(text)?;
    match value.get("format_version").and_then(serde_json::Value::as_u64) {
        Some(1) => parse_canonical::<Crnn2dConfig>(value, text),
        Some(2..=4) => parse_canonical::<ModelConfig>(value, text),
        version => {
            let found = version.map_or("none".to_owned(), |version| version.to_string());
            fail(format!("expected format version 1 to {FORMAT_VERSION}, found {found}"))
        }
    }
}

fn parse_canonical<Config: Serialize + DeserializeOwned + Into<ModelConfig>>(
    value: serde_json::Value,
    text: &str,
) -> Result<Metadata<ModelConfig>, CrnnError> {
    let metadata: Metadata<Config> = serde_json::from_value(value)?;
    // A setting left out would silently take its default.
    if canonical_json(&metadata)? != *text {
        let problem = "not written in canonical form, or a setting is missing".to_owned();
        return Err(CrnnError::Metadata { problem });
    }
    let Metadata { config, digest, format_version, frames_per_clip, front_end, labels, open_set } =
        metadata;
    let contradiction = if digest.is_some() != (format_version == FORMAT_VERSION) {
        Some("digest")
    } else if format_version < FORMAT_VERSION
        && open_set.is_some() != (format_version == WITH_OPEN_SET)
    {
        Some("open_set")
    } else {
        None
    };
    if let Some(field) = contradiction {
        let problem = format!("format version {format_version} and `{field}` contradict");
        return Err(CrnnError::Metadata { problem });
    }
    let config = config.into();
    Ok(Metadata { config, digest, format_version, frames_per_clip, front_end, labels, open_set })
}

/// BLAKE3 of the metadata without a digest and of the tensors, which come in order of their names. Each
/// part is preceded by its length, so no two files are hashed as the same bytes.
fn digest<'a>(metadata: &str, tensors: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(DIGEST_CONTEXT);
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(metadata.as_bytes());
    for (name, bytes) in tensors {
        add(name.as_bytes());
        add(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

/// JSON without spaces, keys sorted.
fn canonical_json(metadata: &impl Serialize) -> Result<String, CrnnError> {
    Ok(sorted(serde_json::to_value(metadata)?).to_string())
}

/// Sorts the keys of every object, whether or not another crate has switched on serde_json's order
/// of insertion.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(entries) => {
            let entries: BTreeMap<_, _> = entries.into_iter().collect();
            serde_json::Value::Object(entries.into_iter().map(|(k, v)| (k, sorted(v))).collect())
        }
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
