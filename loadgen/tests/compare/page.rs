//! Tests the comparison's page in a real browser.

use serde_json::json;
use test_browser::Browser;

use crate::runs::Runs;
use crate::{compare_report, text};

/// A label that would be markup if it were not text.
const EVIL: &str = "<b id='evil'>before</b>";

#[tokio::test]
async fn the_page_is_drawn_on_every_screen_without_an_error_or_a_request() {
    let runs = tokio::task::spawn_blocking(|| {
        let runs = Runs::new();
        runs.side("after", 3_300.0);
        for number in 1..=6 {
            runs.add("before", number, |report| report["scenario"] = json!(EVIL));
        }
        runs
    })
    .await
    .unwrap();
    let (before, after) = (runs.path("before"), runs.path("after"));
    let file = runs.path("comparison.html");
    let said = compare_report(&[
        text(&before),
        text(&after),
        "--allow-different",
        "--format",
        "html",
        "--out",
        text(&file),
    ]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.problem);
    let Some(browser) = Browser::open_file(&file).await else {
        return;
    };
    browser
        .on_every_screen(async |on| {
            let plots = "return [...document.querySelectorAll('svg.plot')].filter((s) => s.checkVisibility()).map((s) => [s.closest('figure').id, s.querySelectorAll('polyline').length > 2])";
            assert_eq!(
                browser.script(plots).await,
                json!([["spectra", true], ["course", true]]),
                "{on}"
            );
            let lanes = "return [...document.querySelectorAll('#deciding .lane svg')].every((s) => s.getBoundingClientRect().width > 40 && s.querySelector('.interval, .estimate'))";
            assert_eq!(browser.script(lanes).await, json!(true), "{on}");
        })
        .await;
    let worse = "return document.querySelector('#deciding tr:has(td.bad) th').textContent";
    assert_eq!(browser.script(worse).await, json!("cpu_per_journey"));
    let markup = "return document.querySelectorAll('#evil').length";
    assert_eq!(browser.script(markup).await, json!(0));
    browser.is_quiet().await;
    browser.close().await;
}
