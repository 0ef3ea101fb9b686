//! The network against stored numbers, against finite differences, and its files against damage.

#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as the tests do")]
#![expect(
    clippy::print_stdout,
    reason = "with --nocapture the golden tests say how near they come"
)]
#![expect(clippy::float_cmp, reason = "what is clipped is exact")]

mod golden;
mod gradients;
mod loss;
mod model;
mod model_file;
mod onnx;
mod onnx_reader;
mod other_models;
mod threads;
