//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_crnn::Model;
use cantus_train::{Adam, ClipSet, EventFile, TrainError, Trainer, TrainingData};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<Adam>();
    shared::<ClipSet>();
    shared::<EventFile<Vec<u8>>>();
    shared::<TrainError>();
    shared::<Trainer<Model>>();
    shared::<TrainingData>();
};
