//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_audio::{
    Audio, AudioError, AudioStream, Damage, DecodeOptions, Decoder, Excerpt, Limits, Origin, Probe,
    Resampler, SourceInfo, Tags, WavFormat,
};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<Audio>();
    shared::<AudioError>();
    shared::<AudioStream>();
    shared::<DecodeOptions>();
    shared::<Probe>();
    shared::<Damage>();
    shared::<Decoder>();
    shared::<Excerpt>();
    shared::<Limits>();
    shared::<Origin>();
    shared::<Resampler>();
    shared::<SourceInfo>();
    shared::<Tags>();
    shared::<WavFormat>();
};
