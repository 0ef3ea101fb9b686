//! The commands of a Cantus checkout.
