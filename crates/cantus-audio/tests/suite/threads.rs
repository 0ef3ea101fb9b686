//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_audio::{Audio, AudioError, AudioStream, DecodeOptions, Probe, Resampler};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<Audio>();
    shared::<AudioError>();
    shared::<AudioStream>();
    shared::<DecodeOptions>();
    shared::<Probe>();
    shared::<Resampler>();
};
