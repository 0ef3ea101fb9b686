//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus::{CantusError, Identification, Identifier};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<CantusError>();
    shared::<Identification>();
    shared::<Identifier>();
};
