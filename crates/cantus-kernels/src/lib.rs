#![doc = include_str!("../README.md")]

mod activation;
mod adam;
mod amx;
mod batch_norm;
mod batch_norm_pool;
mod buffers;
mod conv1d;
mod conv2d;
mod conv_block;
mod cross_entropy;
mod dropout;
mod element;
mod error;
mod gru;
mod im2col;
mod lstm;
mod matmul;
mod max_pool;
mod operand;
mod path;
mod philox;
mod recurrent;
mod sums;
mod windows;

pub use activation::{Activation, elu, relu};
pub use adam::{AdamMoments, AdamStep, adam_step};
pub use batch_norm::{BatchNormTraining, batch_norm_eval, batch_norm_train};
pub use batch_norm_pool::{batch_norm_max_pool2d_eval, batch_norm_max_pool2d_train};
pub use buffers::release_scratch;
pub use conv_block::{
    ConvBlock, ConvBlockParameters, ConvBlockSettings, ConvBlocksTraining, conv_block_eval,
    conv_block_train, conv_blocks_eval, conv_blocks_train,
};
pub use conv1d::{Padding, conv1d};
pub use conv2d::{conv2d_same, conv2d_same_elu};
pub use cross_entropy::{CrossEntropySettings, cross_entropy};
pub use dropout::{DropoutKey, dropout};
pub use error::KernelError;
pub use gru::{GruKind, GruParameters, gru};
pub use lstm::{LstmKind, LstmParameters, lstm};
pub use max_pool::max_pool2d;
pub use path::{PATH_VARIABLE, Path};

/// candle, in the version whose tensors this crate takes and returns.
pub use candle_core;
