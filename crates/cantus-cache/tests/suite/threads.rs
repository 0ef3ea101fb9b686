//! What may go from thread to thread and be shared between them: held while this compiles.

use std::fs::File;

use cantus_cache::{AlbumFile, AlbumWriter, CacheError, SpectrogramStore};

const fn shared<T: Send + Sync + 'static>() {}

const fn sent<T: Send + 'static>() {}

const _: () = {
    shared::<AlbumFile>();
    sent::<AlbumWriter<File>>();
    shared::<CacheError>();
    shared::<SpectrogramStore>();
};
