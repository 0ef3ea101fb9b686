#![doc = include_str!("../README.md")]

mod codecs;
mod container;
mod decode;
mod decoder;
mod edit_list;
mod error;
mod middle;
mod mix;
mod options;
mod probe;
mod resample;
mod source;
mod stream;
mod tags;
mod wav;

pub use codecs::EXTENSIONS;
pub use decode::{Audio, decode_path, decode_reader};
pub use decoder::Decoder;
pub use error::{AudioError, Origin};
pub use options::{DecodeOptions, Excerpt, Limits};
pub use probe::{Probe, probe_path, probe_reader};
pub use resample::{MAX_RATE, MIN_RATE, Resampler, resample};
pub use stream::{AudioStream, Damage, SourceInfo};
pub use tags::Tags;
pub use wav::{WavFormat, write_wav};
