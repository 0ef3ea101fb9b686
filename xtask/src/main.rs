//! `cargo xtask`: see [`xtask::run`].

use std::process::ExitCode;

/// glibc gives large activations back to the system after each operation and asks for them again;
/// a training step would then fault in the same pages over and over.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    xtask::run(std::env::args_os())
}
