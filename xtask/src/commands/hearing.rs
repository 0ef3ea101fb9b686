//! A recording heard by a model, for as long as the user lets it.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use cantus::{CantusError, Identification, Identifier, Progress as Heard};

use crate::interrupt::Interrupt;
use crate::panics::contain;

/// What the model says of a recording; nothing where the user asked to stop before that was known.
/// `observe` hears of (clips done, all clips).
pub(super) fn identify(
    identifier: &Identifier,
    interrupt: &Interrupt,
    path: &Path,
    mut observe: impl FnMut(usize, usize),
) -> Option<Result<Identification>> {
    let identify = || {
        identifier.identify_observed(path, |heard| {
            if let Heard::Identified { clips, of } = heard {
                observe(clips, of);
            }
            if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    match contain(identify) {
        Ok(Err(CantusError::Stopped)) => None,
        Ok(identified) => Some(identified.map_err(Into::into)),
        Err(panic) => {
            let path = path.display();
            Some(Err(anyhow::anyhow!("`{path}` made the decoder panic: {panic}")))
        }
    }
}
