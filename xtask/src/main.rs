//! `cargo xtask`: see [`xtask::run`].

use std::process::ExitCode;

/// glibc gives large activations back to the system after each operation and asks for them again,
/// which costs a training step a quarter of its time in page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xtask::run(std::env::args_os())
}
