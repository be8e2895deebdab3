//! Tests the page in a browser: it is drawn, readable on every screen, logs no errors, and shows foreign text as text.

use serde_json::json;
use test_browser::Browser;

use crate::support::Ended;
use crate::{EVIL, run, scenario};

/// The plots of a run with everything except the system's CPU.
const PLOTS: [&str; 14] = [
    "response-time",
    "spectrum",
    "throughput",
    "end-to-end",
    "end-to-end-spectrum",
    "event-lag",
    "backlog",
    "errors-over-time",
    "budget-states",
    "budget-requests",
    "heat-map",
    "in-flight",
    "cpu",
    "waterfall-0",
];

/// For each visible plot: the figure's id, size, number of shapes, labels outside of the plot and labels that overlap.
const LOOK: &str = r#"
return [...document.querySelectorAll("svg.plot")].filter((svg) => svg.checkVisibility()).map((svg) => {
  const box = svg.getBoundingClientRect();
  const labels = [...svg.querySelectorAll("text")].map((t) => [t.textContent.trim(), t.getBoundingClientRect()]);
  const outside = labels.filter(([, l]) => l.left < box.left - 1 || l.right > box.right + 1 || l.top < box.top - 2 || l.bottom > box.bottom + 1);
  const overlap = labels.flatMap(([a, l], i) => labels.slice(i + 1)
    .filter(([, m]) => l.left < m.right - 1 && m.left < l.right - 1 && l.top < m.bottom - 3 && m.top < l.bottom - 3)
    .map(([b]) => `${a} / ${b}`));
  const drawn = [...svg.querySelectorAll("polyline, circle, svg > rect")].filter((e) => e.getBoundingClientRect().width > 0);
  return { id: svg.closest("figure").id, width: box.width, height: box.height, shapes: drawn.length,
    strips: svg.querySelectorAll(".strips rect").length, outside: outside.map(([t]) => t), overlap,
    smallest: Math.min(...labels.map(([, l]) => l.height)) };
});
"#;

/// Runs on another thread, because the small system has its own runtime, which can't start within this one.
async fn ran(scenario: String) -> Ended {
    let run = tokio::task::spawn_blocking(move || run(&scenario));
    run.await.unwrap()
}

async fn every_plot_is_drawn(browser: &Browser, on: &str) {
    let plots = browser.script(LOOK).await;
    let plots = plots.as_array().unwrap();
    let ids: Vec<&str> = plots.iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(ids, PLOTS, "{on}");
    for plot in plots {
        assert!(plot["width"].as_f64().unwrap() > 300.0, "{on}: {plot}");
        // The height of bars depends on the number of rows, which may be one.
        let id = plot["id"].as_str().unwrap();
        let (height, strips) = match id.starts_with("budget") || id.starts_with("waterfall") {
            true => (50.0, 1),
            false => (150.0, 4),
        };
        assert!(plot["height"].as_f64().unwrap() > height, "{on}: {plot}");
        // At least an axis and a line.
        assert!(plot["shapes"].as_u64().unwrap() >= 2, "{on}: {plot}");
        assert!(plot["strips"].as_u64().unwrap() >= strips, "{on}: {plot}");
        assert_eq!(plot["outside"], json!([]), "{on}: {plot}");
        assert_eq!(plot["overlap"], json!([]), "{on}: {plot}");
        assert!(plot["smallest"].as_f64().unwrap() > 10.0, "{on}: {plot}");
    }
}

#[tokio::test]
async fn the_page_is_drawn_on_every_screen_without_an_error_or_a_request() {
    let ended = ran(scenario()).await;
    let Some(browser) = Browser::open_file(&ended.out.join("report.html")).await else {
        return;
    };
    let mut grounds = Vec::new();
    browser
        .on_every_screen(async |on| {
            every_plot_is_drawn(&browser, on).await;
            let colours = "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('#response-time polyline[stroke=\"#0072B2\"]')).stroke]";
            grounds.push(browser.script(colours).await);
        })
        .await;
    assert_eq!(grounds[0], grounds[2], "light is light on every width");
    assert_ne!(grounds[0][0], grounds[1][0], "a dark ground");
    assert_ne!(grounds[0][1], grounds[1][1], "lighter lines on it");
    let references = "return [...document.querySelectorAll('[src], [href], [srcset], [data], use, image, iframe')].map((e) => e.outerHTML)";
    assert_eq!(
        browser.script(references).await,
        json!([r#"<link rel="icon" href="data:,">"#])
    );
    browser.is_quiet().await;
    browser.close().await;
}

#[tokio::test]
async fn what_a_scenario_or_a_server_says_is_text_and_never_markup() {
    let ended = ran(scenario()).await;
    let Some(browser) = Browser::open_file(&ended.out.join("report.html")).await else {
        return;
    };
    assert_eq!(browser.title().await, format!("shop {EVIL}: FAIL"));
    let markup = "return document.querySelectorAll('img, #evil, [onerror]').length";
    assert_eq!(browser.script(markup).await, json!(0));
    for (place, said) in [
        ("h1", format!("shop {EVIL}")),
        ("header p", format!("A story {EVIL}")),
        (
            "#errors td:last-child",
            format!("GET /thing/x: expected \"{EVIL}\", found \"x\""),
        ),
        ("#end-to-end .legend li", format!("READY {EVIL}")),
    ] {
        let script = format!("return document.querySelector({place:?}).textContent");
        assert_eq!(browser.script(&script).await, json!(said), "{place}");
    }
    browser.is_quiet().await;
    browser.close().await;
}

#[tokio::test]
async fn hovering_says_what_the_titles_say_and_the_page_reads_without_its_script() {
    let ended = ran(scenario()).await;
    let file = ended.out.join("report.html");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("<title>1 s to 2 s\n"),
        "a title for a browser without scripts"
    );
    let Some(browser) = Browser::open_file(&file).await else {
        return;
    };
    let hover = r#"
        const strip = document.querySelectorAll("figure[id=response-time] .strips rect")[2];
        strip.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: 40, clientY: 40 }));
        const tip = document.getElementById("tip");
        const shown = [tip.checkVisibility(), tip.textContent];
        document.body.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
        return [...shown, tip.checkVisibility()];
    "#;
    let shown = browser.script(hover).await;
    assert_eq!(
        (&shown[0], &shown[2]),
        (&json!(true), &json!(false)),
        "{shown}"
    );
    let said = shown[1].as_str().unwrap();
    for part in ["2 s to 3 s", "requests", "p50", "p90", "p99", "max"] {
        assert!(said.contains(part), "{said}");
    }
    let verdict = browser
        .script("return document.querySelector('.verdict').innerText")
        .await;
    assert!(
        verdict
            .as_str()
            .is_some_and(|v| v.starts_with("FAIL") && v.contains("error_rate < 1%: it was")),
        "{verdict}"
    );
    browser.close().await;
}

#[tokio::test]
async fn a_run_without_a_sample_has_a_page_that_says_so() {
    let ended = ran(crate::support::open(10, "1s", "")
        .replace("rate = 10.0\nduration = \"1s\"", "stages = [{ duration = \"1s\", rate = 10 }, { duration = \"1s\", rate = 0 }]\nwarm_up = \"1500ms\""))
    .await;
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let Some(browser) = Browser::open_file(&ended.out.join("report.html")).await else {
        return;
    };
    let verdict = browser
        .script("return document.querySelector('.verdict').innerText")
        .await;
    assert!(
        verdict.as_str().is_some_and(|v| v.contains("no samples")),
        "{verdict}"
    );
    browser.is_quiet().await;
    browser.close().await;
}
