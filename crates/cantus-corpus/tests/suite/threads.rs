//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_corpus::{Corpus, CorpusError, FileList, Scan, Split};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<Corpus>();
    shared::<CorpusError>();
    shared::<FileList>();
    shared::<Scan>();
    shared::<Split>();
};
