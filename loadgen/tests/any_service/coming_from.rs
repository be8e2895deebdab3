//! The page for those who come from other tools: its scenarios are right.

use std::path::Path;

use crate::service::Folder;

#[test]
fn every_scenario_of_the_page_is_one() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coming-from.md");
    let page = std::fs::read_to_string(page).unwrap();
    let folder = Folder::new()
        .with("users.csv", "user,password\nann,secret\n")
        .with("order.json", "{\"product\": \"{{ids|first}}\"}")
        .with("item.json", "{}");
    let schema: serde_json::Value =
        serde_json::from_str(&folder.loadgen(&["schema"]).stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let scenarios: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .map(|piece| piece.split("```").next().unwrap())
        .collect();
    // Each tool's script has ours beside it.
    for tool in ["k6", "Gatling", "wrk2", "oha"] {
        let section = page
            .split("\n## ")
            .find(|s| s.starts_with(&format!("From {tool}\n")));
        assert!(section.unwrap().contains("```toml\n"), "{tool}");
    }
    for text in scenarios {
        std::fs::write(folder.0.path().join("page.toml"), text).unwrap();
        let ended = folder.loadgen_with(&[("PASSWORD", "secret")], &["check", "page.toml"]);
        assert_eq!(ended.code, 0, "{text}{}", ended.stderr);
        assert!(!ended.stdout.contains("warning"), "{text}{}", ended.stdout);
        let value: toml::Value = toml::from_str(text).unwrap();
        assert!(
            schema.is_valid(&serde_json::to_value(value).unwrap()),
            "{text}"
        );
    }
}
