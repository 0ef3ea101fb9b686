//! The drawing in `docs/architecture.md`, held against the manifests.

use std::collections::BTreeSet;

use crate::manifests::packages;

/// Which sibling may stand on which.
const ARROWS: [(&str, &[&str]); 10] = [
    ("cantus-audio", &[]),
    ("cantus-baseline", &["cantus-mel"]),
    ("cantus-cache", &[]),
    ("cantus-corpus", &[]),
    ("cantus-crnn", &["cantus-kernels"]),
    ("cantus-eval", &[]),
    ("cantus-kernels", &[]),
    ("cantus-mel", &[]),
    ("cantus-pipeline", &[]),
    ("cantus-train", &["cantus-cache", "cantus-crnn", "cantus-kernels"]),
];

#[test]
fn only_the_arrows_of_the_drawing_exist() {
    let packages = packages();
    let crates: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .filter(|name| name.starts_with("cantus-") && *name != "cantus-tests")
        .collect();
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(crates, drawn, "a crate is missing from the drawing, or the other way round");
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = ARROWS.iter().find(|(drawn, _)| *drawn == name) else { continue };
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let is_ours = on.starts_with("cantus-") || on == "xtask";
            assert!(!is_ours || allowed.contains(&on), "{name} depends on {on}");
        }
    }
}
