//! What may go from thread to thread and be shared between them: held while this compiles.

use cantus_kernels::{AdamMoments, ConvBlock, ConvBlocksTraining, KernelError};

const fn shared<T: Send + Sync + 'static>() {}

const _: () = {
    shared::<AdamMoments>();
    shared::<ConvBlock<'static>>();
    shared::<ConvBlocksTraining>();
    shared::<KernelError>();
};
