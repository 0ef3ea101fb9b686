//! The training loop on made-up music and against the golden numbers.

#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as the tests do")]

mod golden;
#[cfg(unix)]
mod kills;
mod learning;
mod networks;
mod resuming;
mod stored;
mod tensorboard;
mod threads;
mod toy;
