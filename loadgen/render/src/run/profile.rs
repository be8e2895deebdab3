//! Where the CPU of a profiled run went: the table of the functions with most samples of their own, and the flame graphs.

use loadgen_report::folder::RunFolder;
use loadgen_report::profile::Stacks;
use loadgen_report::units::count;
use loadgen_report::{ProfileReport, Report};

use crate::error::ReportError;
use crate::file;
use crate::plots::flame_graph;
use crate::table::{Content, Table};

/// The functions with most samples of their own.
pub fn table(report: &Report) -> Table {
    let programs = report.profile.iter().flat_map(|profile| &profile.programs);
    let rows = programs.flat_map(|program| {
        program.hottest.iter().map(|hot| {
            let share = 100.0 * hot.samples as f64 / program.samples as f64;
            [
                program.name.clone(),
                count(hot.samples),
                format!("{share:.1} %"),
                hot.function.clone(),
            ]
        })
    });
    Table::new("profile", "Where the CPU goes")
        .note("The functions with most samples of their own, without those of the functions that they call; [k] are the kernel's.")
        .words([""])
        .numbers(["own samples", "share"])
        .columns(Content::Code, ["function"])
        .rows(rows)
}

/// The names of the files, in one line.
pub fn files(profile: &ProfileReport) -> String {
    let all = |name: fn(&_) -> String| profile.programs.iter().map(name).collect::<Vec<_>>();
    format!(
        "profiled, {} samples a second of CPU: {} beside the report; {} for other tools",
        profile.samples_per_s,
        all(|program| program.flame_file()).join(", "),
        all(|program| program.stacks_file()).join(", ")
    )
}

/// Draws the flame graphs of the stacks that are in the folder.
///
/// # Errors
/// A file can't be written.
pub fn write_flame_graphs(folder: &RunFolder) -> Result<(), ReportError> {
    let profile = folder.report.profile.iter();
    for program in profile.flat_map(|profile| &profile.programs) {
        // A report may have been moved without them.
        let stacks = std::fs::read_to_string(folder.path.join(program.stacks_file()));
        if let Ok(stacks) = stacks {
            let title = format!("{} ({})", folder.report.scenario, program.name);
            let svg = flame_graph(&title, &Stacks::parse(&stacks));
            file::write(&folder.path, &program.flame_file(), &svg)?;
        }
    }
    Ok(())
}
