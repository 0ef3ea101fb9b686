//! The network against stored numbers, against finite differences, and its files against damage.

mod golden;
mod gradients;
mod loss;
mod model;
mod model_file;
