//! The folder of our own Redis: any name, and closed to others.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::customer::Customer;
use crate::program::{Program, ordershop, run};

/// Everything in a folder and below it.
fn all_in(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                [vec![path.clone()], all_in(&path)].concat()
            } else {
                vec![path]
            }
        })
        .collect()
}

async fn works_in(data: &Path, mode: &[&str]) {
    let mut command = ordershop(&[&["up", "--listen", "127.0.0.1:0"], mode].concat());
    command.arg("--data-dir").arg(data);
    let mut program = Program::spawn(command);
    Customer::new(program.url().await).customer().await;
    for path in [vec![data.to_owned()], all_in(data)].concat() {
        let mode = path.symlink_metadata().unwrap().permissions().mode();
        assert_eq!(
            mode & 0o077,
            0,
            "{} is open to others: {mode:o}",
            path.display()
        );
    }
    assert!(all_in(data).iter().any(|path| path.ends_with("redis.log")));
    // In a folder with a longer path the socket is elsewhere.
    if data.join("redis.sock").exists() {
        let mut list = ordershop(&["dead-letters", "list", "--data-dir"]);
        let (code, said) = run(list.arg(data));
        assert_eq!(code, Some(0), "{said}");
    }
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_any_name_works_and_is_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let long = "l".repeat(130);
    let names = [
        "shop #1",
        "a?b&c=d",
        "c%41",
        "gr\u{fc}n und rot",
        "q\"e'\\",
        "two\nlines",
        &long,
    ];
    let names = names
        .into_iter()
        .map(OsStr::new)
        .chain([OsStr::from_bytes(b"no\xfftext")]);
    for name in names {
        works_in(&dir.path().join(name).join("data"), &[]).await;
    }
    works_in(&dir.path().join("p #1%?"), &["--processes"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_was_open_is_closed_if_it_is_empty_or_ours() {
    let dir = tempfile::tempdir().unwrap();
    let open =
        || std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for _ in 0..2 {
        open();
        works_in(dir.path(), &[]).await;
    }
    // A folder with somebody's files in it keeps its mode; what the server writes there is closed all the same.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("theirs"), "").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut program = Program::start(&[
        "up",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        path.to_str().unwrap(),
    ]);
    program.ready().await;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    for file in ["redis.log", "redis.sock", "redis.lock", "appendonlydir"] {
        let mode = path
            .join(file)
            .symlink_metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
    program.stop().await;
}
