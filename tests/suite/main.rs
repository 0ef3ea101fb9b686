//! The commands as a user types them, on music made for the purpose.

mod arrows;
mod bad_input;
mod checkout;
mod interrupt;
mod pipeline;
mod staleness;
