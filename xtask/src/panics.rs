//! Work that must not end the command when it panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`, or says with what message it panicked: one file that trips a decoder must not end a
/// run of a thousand.
///
/// What `work` changed before that is not to be used again.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message")
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::contain;

    #[test]
    fn a_panic_becomes_its_message_and_all_else_passes() {
        assert_eq!(contain(|| 7), Ok(7));
        let number = 8;
        assert_eq!(contain(|| assert!(number == 7, "number {number}")), Err("number 8".to_owned()));
        assert_eq!(contain(|| std::panic::panic_any(1)), Err("no message".to_owned()));
    }
}
