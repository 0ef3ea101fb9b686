//! The training loop on made-up music and against the golden numbers.

mod crnn2d;
mod golden;
mod learning;
mod resuming;
mod stored;
mod toy;
