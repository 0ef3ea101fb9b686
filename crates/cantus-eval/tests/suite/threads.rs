//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_eval::{
    ArtistClip, ClipMap, Embeddings, EvalError, Metrics, Predictions, ReportInput, TsneMap,
    TsnePlan,
};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<ArtistClip<'static>>();
    shared::<ClipMap>();
    shared::<Embeddings>();
    shared::<EvalError>();
    shared::<Metrics>();
    shared::<Predictions>();
    shared::<ReportInput>();
    shared::<TsneMap>();
    shared::<TsnePlan>();
};
