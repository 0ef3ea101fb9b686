//! Between this crate and the Parquet decoder.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::CacheError;

/// Runs a piece of decoding and turns both its errors and its panics into
/// [`CacheError::Damaged`]: the Parquet library treats a panic on malformed input as an ordinary
/// bug, and one damaged file must not end a run over thousands.
pub(crate) fn guarded<T, E: std::fmt::Display>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, CacheError> {
    let damaged = |detail| CacheError::Damaged { path: path.to_path_buf(), detail };
    // What the closure touches is dropped with it, so nothing half changed is seen afterwards.
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(|error| damaged(error.to_string())),
        Err(_) => Err(damaged("its decoder panicked".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_decoding_is_damage_to_the_file() {
        let result: Result<(), _> = guarded(Path::new("/data/x.parquet"), || {
            let lengths: Vec<String> = Vec::new();
            Err(lengths[0].clone())
        });
        let error = result.unwrap_err();
        assert!(error.to_string().starts_with("damaged: /data/x.parquet"), "{error}");
    }
}
