//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_eval::{ArtistClip, EvalError, Metrics, Predictions, ReportInput};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<ArtistClip<'static>>();
    shared::<EvalError>();
    shared::<Metrics>();
    shared::<Predictions>();
    shared::<ReportInput>();
};
