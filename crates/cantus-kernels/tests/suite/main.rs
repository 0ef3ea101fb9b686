//! Each operation against a plain reference, its gradients against finite differences.

#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as the tests do")]
#![expect(clippy::expect_used, reason = "functions shared by tests fail as the tests do")]
#![expect(clippy::float_cmp, reason = "masks are equal or they are not")]

mod activation;
mod adam;
mod blocks;
mod convolution;
mod convolution_over_time;
mod denormals;
mod determinism;
mod difference;
mod dropping;
mod normalisation;
mod numbers;
mod pooling;
mod recurrent;
mod reference;
mod threads;
