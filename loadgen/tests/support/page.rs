//! What a report's page shows, read without a browser.

/// The legend of a plot, as markup; empty if the plot has none.
pub fn legend<'a>(page: &'a str, id: &str) -> &'a str {
    let figure = page.split(&format!("<figure id=\"{id}\">")).nth(1);
    let figure = figure.and_then(|rest| rest.split("</figure>").next());
    let legend = figure.and_then(|figure| figure.split("<ul class=\"legend\">").nth(1));
    let legend = legend.and_then(|rest| rest.split("</ul>").next());
    legend.unwrap_or_default()
}
