//! Each operation against a plain reference, its gradients against finite differences.

mod activation;
mod convolution;
mod determinism;
mod difference;
mod dropping;
mod normalisation;
mod numbers;
mod pooling;
mod reference;
