//! This repository keeps to its rules.

use std::path::PathBuf;

/// `ARCHITECTURE_ROOT` names another work tree to look at.
#[test]
fn the_repository_keeps_the_rules_of_its_architecture() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let root = std::env::var_os("ARCHITECTURE_ROOT").map_or_else(|| here.into(), PathBuf::from);
    let breaches = test_architecture::breaches(&root);
    assert!(breaches.list().is_empty(), "{breaches}");
}
