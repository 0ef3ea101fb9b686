//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_mel::{
    DeltaMode, DeltaPlan, LogMel, LogMelPlan, LogMelScratch, LogMelStream, MelConfig, MelError,
    MelNorm, MelScale, MfccPlan, Padding,
};

const fn shared<T: Send + Sync>() {}

const _: () = {
    shared::<DeltaMode>();
    shared::<DeltaPlan>();
    shared::<LogMel>();
    shared::<LogMelPlan>();
    shared::<LogMelScratch>();
    shared::<LogMelStream<'_>>();
    shared::<MelConfig>();
    shared::<MelError>();
    shared::<MelNorm>();
    shared::<MelScale>();
    shared::<MfccPlan>();
    shared::<Padding>();
};
