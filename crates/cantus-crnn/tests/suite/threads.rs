//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_crnn::{Crnn2d, Crnn2dConfig, CrnnError, Forward, ModelFile};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<Crnn2d>();
    shared::<Crnn2dConfig>();
    shared::<CrnnError>();
    shared::<Forward>();
    shared::<ModelFile>();
};
