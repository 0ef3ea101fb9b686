//! The commands as a user types them, on music made for the purpose.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod arrows;
mod bad_input;
mod calibrate;
mod checkout;
mod demo;
mod duplicates;
mod embed;
mod export;
mod fine_tuning;
mod gc;
mod interrupt;
mod manifests;
mod pipeline;
mod predict;
mod similar;
mod staleness;
mod torture;
