//! A whole shop is backed up, at any moment, and restored into an emptied Redis: each time `loadgen audit` passes, what was answered is there, and
//! it goes on. The restoration is killed, too.

use std::path::{Path, PathBuf};

use hyper::Method;
use ordershop_contract::failpoint::Failpoint;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::audit;
use crate::buyers::{Answered, Buyers};
use crate::process::{Action, Armed, LOOK, LOOKS_MAX, ShopProcess};
use crate::sold::{lists, program, succeeded};
use crate::stage::Stage;
use crate::walk::{every, failpoints};

/// How many backups are taken while buyers buy.
const BACKUPS: usize = 6;

async fn backup(stage: &Stage, to: &Path) -> Result<(), String> {
    let args = ["backup", "--to", to.to_str().unwrap()];
    succeeded(&program(stage, &args, None).await)
}

/// Restores once the leases of who was killed there have run out.
async fn restore(stage: &Stage, from: &Path) -> Result<(), String> {
    let mut looks = 0;
    loop {
        let output = program(stage, &["restore", from.to_str().unwrap()], None).await;
        if looks == LOOKS_MAX || !text(&output.stderr).contains("a shop runs") {
            return succeeded(&output);
        }
        looks += 1;
        tokio::time::sleep(LOOK).await;
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Starts the shop that was restored, and checks it: as it is, and once more is bought.
async fn opens(stage: &Stage, answered: &Answered) -> Result<ShopProcess, String> {
    let mut shop = stage.start(None);
    shop.ready().await;
    let http = shop.customer();
    if !answered.is_empty() {
        audit::is_as_answered(&http, answered).await?;
    }
    audit::passes(&http, stage.redis_url()).await?;
    let answered = Buyers::start(&http, stage.redis_url()).finish().await;
    audit::is_as_answered(&http, &answered).await?;
    audit::passes(&http, stage.redis_url()).await?;
    Ok(shop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_sells_is_backed_up_and_goes_on_in_another_redis_from_each_moment() {
    let dir = TempDir::new().unwrap();
    let (stage, shop, answered) = Stage::sold().await;
    let buyers = Buyers::start(&shop.customer(), stage.redis_url());
    let mut files = Vec::new();
    for number in 0..BACKUPS {
        buyers.are_answered_beyond(number * 7).await;
        let file = dir.path().join(number.to_string());
        backup(&stage, &file).await.unwrap();
        files.push(file);
    }
    let bought = buyers.finish().await;
    audit::is_as_answered(&shop.customer(), &bought)
        .await
        .unwrap();
    audit::passes(&shop.customer(), stage.redis_url())
        .await
        .unwrap();
    shop.end("-TERM").await;

    every(files, move |file| goes_on_from(file, answered.clone())).await;
}

async fn goes_on_from(file: PathBuf, answered: Answered) -> Result<(), String> {
    let other = Stage::empty().await;
    restore(&other, &file).await?;
    opens(&other, &answered).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_was_killed_between_two_effects_completes_them_after_its_restoration() {
    let places = vec![
        (Failpoint::MessagesTaken, 3),
        (Failpoint::EventsWritten, 5),
        (Failpoint::StockReserved, 2),
        (Failpoint::RepliesTaken, 3),
    ];
    every(places, |(point, pass)| killed_at(point, pass)).await;
}

#[ignore = "takes minutes; `make walk` runs it"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_shop_was_killed_it_completes_its_effects_after_its_restoration() {
    every(failpoints(), |(point, pass)| killed_at(point, pass)).await;
}

async fn killed_at(point: Failpoint, pass: usize) -> Result<(), String> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("backup");
    let action = Action::Kill;
    let armed = Armed {
        point,
        pass,
        action,
    };
    let (stage, _, buyers) = Stage::interrupted(armed).await?;
    let answered = buyers.abandon().await;
    backup(&stage, &file).await?;
    // Another Redis: the buyers' foreign service may still write to this one.
    goes_on_from(file, answered).await
}

/// What a key is answered with, and what the same key is with another body.
async fn by_key(http: &crate::customer::Customer, name: &str) -> (u16, Value) {
    let body = json!({"name": name, "price": 3}).to_string();
    let key = [("idempotency-key", "one-key")];
    let answer = http.with(&key, Method::POST, "/product", body).await;
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restoration_that_is_killed_is_repeated_and_no_shop_starts_before() {
    let dir = TempDir::new().unwrap();
    let (file, later) = (dir.path().join("backup"), dir.path().join("later"));
    let (stage, shop, answered) = Stage::sold().await;
    let product = by_key(&shop.customer(), "Tea").await;
    assert_eq!(product.0, 200, "{product:?}");
    audit::passes(&shop.customer(), stage.redis_url())
        .await
        .unwrap();
    let lists_before = lists(&shop.customer()).await;
    backup(&stage, &file).await.unwrap();
    backup(&stage, &later).await.unwrap();
    shop.end("-TERM").await;
    let refused = program(&stage, &["restore", file.to_str().unwrap()], None).await;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("there is a shop on this Redis"));
    stage.is_emptied().await;

    let places = [
        (Failpoint::BackupRestoring, 1),
        (Failpoint::ArchiveRestoring, 1),
        (Failpoint::ArchiveRestoring, 5),
        (Failpoint::BackupRestored, 1),
    ];
    for (point, pass) in places {
        killed_restoring(&stage, &file, point, pass).await;
        let mut half = stage.start(None);
        let mut looks = 0;
        while !half.has_ended() {
            looks += 1;
            assert!(looks < LOOKS_MAX, "it started: {}", half.log());
            tokio::time::sleep(LOOK).await;
        }
        assert!(half.log().contains("restore again"), "{}", half.log());
        let again = dir.path().join("again");
        let refused = backup(&stage, &again).await.unwrap_err();
        assert!(refused.contains("no whole shop"), "{refused}");
        let other = program(&stage, &["restore", later.to_str().unwrap()], None).await;
        assert_eq!(other.status.code(), Some(2), "{other:?}");
        assert!(text(&other.stderr).contains("another backup"), "{other:?}");
    }
    restore(&stage, &file).await.unwrap();

    let shop = opens(&stage, &answered).await.unwrap();
    let http = shop.customer();
    assert_eq!(by_key(&http, "Tea").await, product);
    assert_eq!(by_key(&http, "Coffee").await.0, 422);
    for (before, now) in lists_before.iter().zip(lists(&http).await) {
        let now = now["result"].as_array().unwrap().clone();
        for entity in before["result"].as_array().unwrap() {
            assert!(now.contains(entity), "{entity} is not in {now:?}");
        }
    }
}

/// Kills a restoration at a point, once the leases of the one before have run out.
async fn killed_restoring(stage: &Stage, file: &Path, point: Failpoint, pass: usize) {
    let armed = format!("{}={}*off->1*return(kill)", point.name(), pass - 1);
    for _ in 0..LOOKS_MAX {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_ordershop"))
            .args(["restore", file.to_str().unwrap()])
            .env("REDIS_URL", stage.redis_url())
            .env("FAILPOINTS", &armed)
            .output()
            .await
            .unwrap();
        if output.status.code().is_none() {
            return;
        }
        assert!(text(&output.stderr).contains("a shop runs"), "{output:?}");
        tokio::time::sleep(LOOK).await;
    }
    panic!("it was never killed at {point:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_backup_is_refused_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let stage = Stage::empty().await;
    let file = dir.path().join("backup");
    let to = ["backup", "--to", file.to_str().unwrap()];
    let nothing = program(&stage, &to, None).await;
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
    assert!(text(&nothing.stderr).contains("no shop on this Redis"));
    let mut shop = stage.start(None);
    shop.ready().await;
    let product = shop.customer().product(7, 2).await;
    let killed = program(&stage, &to, Some(Failpoint::ArchiveWritten)).await;
    assert_eq!(killed.status.code(), None, "{killed:?}");
    assert!(!file.exists());
    backup(&stage, &file).await.unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    assert!(whole.contains(&product), "{whole}");
    let taken = program(&stage, &to, None).await;
    assert_eq!(taken.status.code(), Some(2), "{taken:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), whole);
    let running = program(&stage, &["restore", file.to_str().unwrap()], None).await;
    assert!(text(&running.stderr).contains("a shop runs"), "{running:?}");
    shop.end("-TERM").await;

    let other = Stage::empty().await;
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let last = lines.len() - 1;
    for (bad, words) in [
        (lines[..last].concat(), "is not complete"),
        (
            whole[..whole.len() / 2].to_owned(),
            "it is no part of a backup",
        ),
        (
            whole.replacen("\"price\":7", "\"price\":8", 1),
            "was altered",
        ),
        (
            [&lines[..last - 1], &lines[last..]].concat().concat(),
            "was altered",
        ),
        (
            whole.replacen("\"version\":1", "\"version\":2", 1),
            "reads version 1",
        ),
        (whole.clone() + "\n", "goes on after its last line"),
    ] {
        let path = dir.path().join("bad");
        std::fs::write(&path, bad).unwrap();
        let output = program(&other, &["restore", path.to_str().unwrap()], None).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(words), "{words}: {output:?}");
    }
    let keys: Vec<String> = other.keys().await;
    assert!(keys.is_empty(), "{keys:?}");
}
