#![doc = include_str!("../README.md")]

mod batch_norm;
mod batch_norm_pool;
mod conv2d;
mod dropout;
mod element;
mod elu;
mod error;
mod im2col;
mod matmul;
mod max_pool;
mod operand;
mod sums;
mod windows;

pub use batch_norm::{BatchNormTraining, batch_norm_eval, batch_norm_train};
pub use batch_norm_pool::{batch_norm_max_pool2d_eval, batch_norm_max_pool2d_train};
pub use conv2d::{conv2d_same, conv2d_same_elu};
pub use dropout::{DropoutKey, dropout};
pub use elu::elu;
pub use error::KernelError;
pub use max_pool::max_pool2d;
