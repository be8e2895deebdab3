//! Each kind of breach, planted in a small workspace that is clean without it.

use std::fs;

use test_architecture::breaches;

/// Three crates, of which each may import the one before: `store`, `front`, `desk`.
const CLEAN: &str = r#"
=== Cargo.toml
[workspace]
members = ["shop/store", "shop/front", "shop/desk", "testing/browser"]
[workspace.dependencies]
shop-store = { path = "shop/store" }
shop-front = { path = "shop/front" }
redis = "1"
=== ARCHITECTURE.md
| module | what it is | may import | must not know |
|---|---|---|---|
| `shop/store` | where things are kept | – | `redis`, `std::time::Instant` |
| `shop/front` | what customers see | `shop/store` | – |
| `shop/front/src/page` | a page | – | – |
| `shop/desk` | what clerks see | `shop/front`, `shop/front/src/page` | – |

| module | another table |
|---|---|
| anything | |
=== shop/store/Cargo.toml
[package]
name = "shop-store"
[dev-dependencies]
redis = { workspace = true }
shop-desk = { path = "../desk" }
=== shop/store/src/lib.rs
pub mod shelf;
pub use shelf::Shelf;
#[cfg(all(test, unix))]
mod tests {
    use redis::Client;
    use shop_desk::Desk;
}
=== shop/store/src/shelf.rs
use std::time::Duration;
pub struct Shelf(Duration);
=== shop/front/Cargo.toml
[package]
name = "shop-front"
[dependencies]
shop-store = { workspace = true }
=== shop/front/src/lib.rs
pub mod page;
pub use shop_store::*;
=== shop/front/src/page.rs
pub mod title;
=== shop/front/src/page/title.rs
pub struct Title;
=== shop/desk/Cargo.toml
[package]
name = "shop-desk"
[dependencies]
shop-front = { workspace = true }
redis = { workspace = true }
=== shop/desk/src/lib.rs
pub mod bell;
=== shop/desk/src/main.rs
fn main() {
    shop_desk::bell::ring();
}
=== shop/desk/src/bell.rs
use redis::Client;
pub fn ring() {
    shop_front::page::title::Title;
}
=== testing/browser/Cargo.toml
[package]
name = "test-browser"
[dependencies]
shop-desk = { path = "../../shop/desk" }
=== testing/browser/src/lib.rs
pub use shop_store::Shelf;
"#;

/// Asserts what is found when `planted` files are added to the clean workspace, or replace files of it.
#[track_caller]
fn check(planted: &str, expected: &str) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let all = [CLEAN, planted].concat();
    for section in all.split("=== ").skip(1) {
        let (file, text) = section
            .split_once('\n')
            .expect("a file's name has its line");
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    assert_eq!(breaches(root.path()).list().trim(), expected.trim());
}

/// Asserts what is found when ARCHITECTURE.md has other words in one place.
#[track_caller]
fn check_table(words: &str, instead: &str, expected: &str) {
    let table = CLEAN
        .split("=== ")
        .find(|section| section.starts_with("ARCHITECTURE.md"));
    let table = table.expect("it is there").replace(words, instead);
    check(&format!("=== {table}"), expected);
}

#[test]
fn a_clean_workspace_passes() {
    check("", "");
}

#[test]
fn a_forbidden_module_is_found_in_a_use() {
    check(
        "
=== shop/store/src/shelf.rs
use std::{
    fmt,
    time::Duration,
};
use shop_desk::{
    bell::ring,
    Desk as Table,
};
",
        "
shop/store/src/shelf.rs:6: shop/store must not import shop/desk (ARCHITECTURE.md:3 says it may import nothing)
shop/store/src/shelf.rs:7: shop/store must not import shop/desk (ARCHITECTURE.md:3 says it may import nothing)
",
    );
}

#[test]
fn a_forbidden_module_is_found_in_an_inline_path() {
    check(
        "
=== shop/store/src/shelf.rs
pub struct Shelf;
pub fn shelf(
    _: &shop_front::page::title::Title,
) {}
",
        "
shop/store/src/shelf.rs:3: shop/store must not import shop/front/src/page (ARCHITECTURE.md:3 says it may import nothing)
",
    );
}

#[test]
fn a_forbidden_module_is_found_behind_a_re_export_and_a_glob() {
    check(
        "
=== shop/desk/src/bell.rs
use shop_front as front;
pub fn ring() {
    front::Shelf;
}
",
        "
shop/desk/src/bell.rs:3: shop/desk must not import shop/store (ARCHITECTURE.md:6 says it may import shop/front, shop/front/src/page)
",
    );
}

#[test]
fn a_forbidden_module_of_the_same_crate_is_found_also_by_a_bare_name() {
    check(
        "
=== shop/front/src/lib.rs
pub mod page;
pub mod entry {
    use super::page::title::*;
    pub fn title() -> Title {}
}
",
        "
shop/front/src/lib.rs:3: shop/front must not import shop/front/src/page (ARCHITECTURE.md:4 says it may import shop/store)
shop/front/src/lib.rs:4: shop/front must not import shop/front/src/page (ARCHITECTURE.md:4 says it may import shop/store)
",
    );
}

#[test]
fn a_forbidden_module_is_found_in_a_macro_and_in_an_attribute() {
    check(
        r#"
=== shop/store/src/shelf.rs
pub struct Shelf(
    #[serde(with = "shop_front::page")] u64,
);
fn shelf() {
    println!("{}", vec![shop_front::page::title::parse::<Shelf>(1)]);
}
"#,
        "
shop/store/src/shelf.rs:2: shop/store must not import shop/front/src/page (ARCHITECTURE.md:3 says it may import nothing)
shop/store/src/shelf.rs:5: shop/store must not import shop/front/src/page (ARCHITECTURE.md:3 says it may import nothing)
",
    );
}

#[test]
fn a_forbidden_external_crate_is_found_wherever_it_is_named_first() {
    check(
        r#"
=== shop/store/Cargo.toml
[package]
name = "shop-store"
[dependencies]
redis = { workspace = true }
=== shop/store/src/lib.rs
pub mod shelf;
pub use shelf::Shelf;
use core::time::*;
=== shop/store/src/shelf.rs
use redis::Client;
use std::time;
pub struct Shelf(Client);
fn now() {
    Client::open();
    time::Instant::now();
}
"#,
        "
shop/store/Cargo.toml:4: shop/store must not import redis (ARCHITECTURE.md:3 says it must not know it)
shop/store/src/lib.rs:3: shop/store must not import std::time::Instant (ARCHITECTURE.md:3 says it must not know it)
shop/store/src/shelf.rs:1: shop/store must not import redis (ARCHITECTURE.md:3 says it must not know it)
shop/store/src/shelf.rs:6: shop/store must not import std::time::Instant (ARCHITECTURE.md:3 says it must not know it)
",
    );
}

#[test]
fn a_circle_of_two_files_is_found() {
    check(
        "
=== shop/store/src/shelf.rs
mod plank;
mod thing;
pub use plank::Plank;
pub struct Shelf;
=== shop/store/src/shelf/plank.rs
use super::thing::Thing;
pub struct Plank;
=== shop/store/src/shelf/thing.rs
pub struct Thing {
    on: crate::shelf::Plank,
}
",
        "
shop/store/src/shelf/plank.rs:1: circle of 2 files:
    shop/store/src/shelf/plank.rs imports shop/store/src/shelf/thing.rs (shop/store/src/shelf/plank.rs:1)
    shop/store/src/shelf/thing.rs imports shop/store/src/shelf/plank.rs (shop/store/src/shelf/thing.rs:2)
",
    );
}

#[test]
fn a_circle_of_three_files_is_found() {
    check(
        "
=== shop/store/src/shelf.rs
mod a;
mod b;
mod c;
pub struct Shelf;
=== shop/store/src/shelf/a.rs
use super::b::B;
pub struct A;
=== shop/store/src/shelf/b.rs
use super::c;
pub struct B(c::C);
=== shop/store/src/shelf/c.rs
use super::a::A;
pub struct C;
impl From<super::a::A> for C {}
",
        "
shop/store/src/shelf/a.rs:1: circle of 3 files:
    shop/store/src/shelf/a.rs imports shop/store/src/shelf/b.rs (shop/store/src/shelf/a.rs:1)
    shop/store/src/shelf/b.rs imports shop/store/src/shelf/c.rs (shop/store/src/shelf/b.rs:2)
    shop/store/src/shelf/c.rs imports shop/store/src/shelf/a.rs (shop/store/src/shelf/c.rs:1 and 1 more)
",
    );
}

#[test]
fn a_circle_of_parent_and_child_is_found() {
    check(
        "
=== shop/store/src/lib.rs
pub mod shelf;
pub use shelf::Shelf;
pub struct Room;
=== shop/store/src/shelf.rs
use super::Room;
pub struct Shelf(Room);
",
        "
shop/store/src/lib.rs:2: circle of 2 files:
    shop/store/src/lib.rs imports shop/store/src/shelf.rs (shop/store/src/lib.rs:2)
    shop/store/src/shelf.rs imports shop/store/src/lib.rs (shop/store/src/shelf.rs:1)
",
    );
}

#[test]
fn a_circle_of_folders_is_found_whose_files_are_in_none() {
    check(
        "
=== shop/store/src/shelf.rs
mod a;
mod b;
pub struct Shelf;
=== shop/store/src/shelf/a.rs
pub mod high;
pub mod low;
=== shop/store/src/shelf/a/high.rs
use crate::shelf::b::middle::Middle;
=== shop/store/src/shelf/a/low.rs
pub struct Low;
=== shop/store/src/shelf/b/mod.rs
pub mod middle;
=== shop/store/src/shelf/b/middle.rs
use super::super::a::low::Low;
pub struct Middle;
",
        "
shop/store/src/shelf/a/high.rs:1: circle of 2 modules:
    shop/store/src/shelf/a imports shop/store/src/shelf/b (shop/store/src/shelf/a/high.rs:1)
    shop/store/src/shelf/b imports shop/store/src/shelf/a (shop/store/src/shelf/b/middle.rs:1)
",
    );
}

#[test]
fn a_circle_of_crates_is_found() {
    check(
        "
=== shop/store/src/shelf.rs
use shop_front::page::title::Title;
pub struct Shelf;
=== shop/front/src/lib.rs
pub mod page;
pub use shop_store::Shelf;
",
        "
shop/front/src/lib.rs:2: circle of 2 modules:
    shop/front imports shop/store (shop/front/src/lib.rs:2)
    shop/store imports shop/front (shop/store/src/shelf.rs:1)
shop/store/src/shelf.rs:1: shop/store must not import shop/front/src/page (ARCHITECTURE.md:3 says it may import nothing)
",
    );
}

#[test]
fn a_forbidden_dependency_of_a_manifest_is_found() {
    check(
        r#"
=== shop/desk/Cargo.toml
[package]
name = "shop-desk"
[dependencies]
redis = "1"
shop-front = { workspace = true }
[target.'cfg(unix)'.dependencies]
keeping = { package = "shop-store", path = "../store" }
"#,
        "
shop/desk/Cargo.toml:7: shop/desk must not import shop/store (ARCHITECTURE.md:6 says it may import shop/front, shop/front/src/page)
",
    );
}

#[test]
fn a_member_without_a_row_is_found() {
    check_table(
        "| `shop/desk` | what clerks see | `shop/front`, `shop/front/src/page` | – |\n",
        "",
        "shop/desk/Cargo.toml:1: shop/desk has no row in ARCHITECTURE.md",
    );
}

#[test]
fn a_row_without_a_folder_is_found() {
    check_table(
        "| `shop/desk` |",
        "| `shop/front/src/pages` | a page | – | – |\n| `shop/desk` |",
        "ARCHITECTURE.md:6: shop/front/src/pages has a row but no source file",
    );
}

#[test]
fn unknown_names_and_unreadable_cells_are_found() {
    check_table(
        "– | `redis`, `std::time::Instant`",
        "`shop/stock` | `reddis`, redis",
        "
ARCHITECTURE.md:3: `\u{60}reddis\u{60}, redis` must be `–` or names in backticks, separated by commas
ARCHITECTURE.md:3: shop/stock has no row, so shop/store can't import it
",
    );
    check_table(
        "`redis`",
        "`reddis`",
        "ARCHITECTURE.md:3: reddis is neither a dependency of the workspace nor in std",
    );
}

#[test]
fn what_cannot_be_read_is_found() {
    check(
        "
=== shop/store/src/lib.rs
pub mod shelf;
mod lost;
=== shop/store/src/shelf.rs
pub struct Shelf;
fn () {}
",
        "
shop/store/src/lib.rs:2: `mod lost` has no file
shop/store/src/shelf.rs:2: can't be parsed: expected identifier
",
    );
}
