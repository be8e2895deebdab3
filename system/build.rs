//! Tells the program which cargo profile it is built with: cargo says only `release` or `debug`, which `bench` is neither of.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    // target/<profile>/build/…; `debug` for the profile dev.
    let folders = Path::new(&out).ancestors();
    let profile = folders
        .skip_while(|folder| !folder.ends_with("build"))
        .nth(1)
        .and_then(Path::file_name)
        .expect("OUT_DIR lies in target/<profile>/build");
    println!("cargo:rustc-env=BUILD_PROFILE={}", profile.display());
}
