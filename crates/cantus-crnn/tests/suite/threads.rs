//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_crnn::{CrnnError, Forward, Model, ModelConfig, ModelFile};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<Model>();
    shared::<ModelConfig>();
    shared::<CrnnError>();
    shared::<Forward>();
    shared::<ModelFile>();
};
